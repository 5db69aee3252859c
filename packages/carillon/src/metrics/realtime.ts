import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Counts by the values of labels, in their order. */
interface Counts {
  entries(): Iterable<{ readonly labels: readonly string[]; readonly value: number }>;
}

interface TrafficCounts {
  entries(): Iterable<{ readonly type: string; readonly messages: number; readonly bytes: number }>;
}

/** What real time counts while it runs, as plain numbers. */
export interface RealtimeCounts {
  readonly actions: Counts;
  readonly connectionsAccepted: Counts;
  readonly connectionsInflight: Counts;
  readonly subscriptionsAccepted: Counts;
  readonly subscriptionsInflight: Counts;
  readonly replyErrors: Counts;
  readonly serverUnsubscribes: Counts;
  readonly serverDisconnects: Counts;
  readonly recoveries: Counts;
  readonly outgoingCloses: Counts;
  readonly sent: ReadonlyMap<string, TrafficCounts>;
  readonly received: ReadonlyMap<string, TrafficCounts>;
  onBroadcast: (seconds: number) => void;
  onPong: (transport: string, seconds: number) => void;
}

/** What real time can say of itself at any moment. */
export interface RealtimeStats {
  readonly clients: number;
  readonly users: number;
  readonly channels: number;
  readonly subscriptions: number;
  /** Known ones, this one included. */
  readonly nodes: number;
}

export interface RealtimeObservations {
  readonly version: string;
  readonly stats: () => RealtimeStats;
  readonly counts: RealtimeCounts;
}

const MILLISECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5];
const SECONDS = [1, 2.5, 5, 10];
/** Empty, as Centrifugo has it where namespaces are not resolved. */
const NAMESPACE = { channel_namespace: '' };

/**
 * Adds what real time says of itself and what it counts (server-api, section 9). Counts are read when metrics are asked for:
 * a message costs no more than an addition.
 */
export function observeRealtime(register: Registry, { version, stats, counts }: RealtimeObservations): void {
  const registers = [register];
  for (const key of ['clients', 'users', 'channels', 'subscriptions', 'nodes'] as const) {
    new Gauge({
      name: `centrifugo_node_num_${key}`,
      help: key === 'nodes' ? 'Number of nodes' : `Number of ${key} on this node`,
      registers,
      collect() {
        this.set(stats()[key]);
      },
    });
  }
  new Gauge({
    name: 'centrifugo_node_build',
    help: 'The version that runs',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1);
  addCounts(registers, counts);
  addTraffic(registers, 'sent', counts.sent);
  addTraffic(registers, 'received', counts.received);
  const broadcasts = new Histogram({
    name: 'centrifugo_node_broadcast_duration_seconds',
    help: 'How long a publication took to be handed to all its receivers on this node',
    labelNames: ['type', 'channel_namespace'],
    buckets: [0.000001, 0.000005, 0.00001, 0.00005, 0.0001, 0.00025, 0.0005, ...MILLISECONDS, ...SECONDS],
    registers,
  });
  const labels = { type: 'publication', ...NAMESPACE };
  counts.onBroadcast = (seconds) => broadcasts.observe(labels, seconds);
  const pongs = new Histogram({
    name: 'centrifugo_client_ping_pong_duration_seconds',
    help: 'How long clients took to answer a ping',
    labelNames: ['transport'],
    buckets: [0.0001, 0.00025, 0.0005, ...MILLISECONDS, ...SECONDS],
    registers,
  });
  counts.onPong = (transport, seconds) => pongs.observe({ transport }, seconds);
}

function addCounts(registers: Registry[], counts: RealtimeCounts): void {
  const add = (
    Kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    labelNames: readonly string[],
    source: Counts,
    fixed: Readonly<Record<string, string>> = {},
  ) =>
    new Kind({
      name: `centrifugo_${name}`,
      help,
      labelNames: [...labelNames, ...Object.keys(fixed)],
      registers,
      collect() {
        this.reset();
        for (const { labels, value } of source.entries())
          this.inc(
            {
              ...Object.fromEntries(labelNames.map((label, place) => [label, labels[place] ?? ''])),
              ...fixed,
            },
            value,
          );
      },
    });
  const client = ['transport', 'client_name', 'client_version'];
  const protocol = { accept_protocol: '' };
  add(
    Counter,
    'node_action_count',
    'Steps taken for clients and the server API',
    ['action'],
    counts.actions,
    NAMESPACE,
  );
  add(
    Counter,
    'client_connections_accepted',
    'Clients that have connected',
    client,
    counts.connectionsAccepted,
    protocol,
  );
  add(
    Gauge,
    'client_connections_inflight',
    'Clients that are connected',
    client,
    counts.connectionsInflight,
    protocol,
  );
  add(
    Counter,
    'client_subscriptions_accepted',
    'Subscriptions begun',
    ['client_name'],
    counts.subscriptionsAccepted,
    NAMESPACE,
  );
  add(
    Gauge,
    'client_subscriptions_inflight',
    'Subscriptions there are',
    ['client_name'],
    counts.subscriptionsInflight,
    NAMESPACE,
  );
  add(
    Counter,
    'client_num_reply_errors',
    'Errors that clients were answered with',
    ['method', 'code'],
    counts.replyErrors,
    NAMESPACE,
  );
  add(
    Counter,
    'client_num_server_unsubscribes',
    'Unsubscribes sent to clients',
    ['code'],
    counts.serverUnsubscribes,
    NAMESPACE,
  );
  add(
    Counter,
    'client_num_server_disconnects',
    'Connections that this side has ended',
    ['code'],
    counts.serverDisconnects,
  );
  add(
    Counter,
    'client_recover',
    'Recoveries, by their success',
    ['recovered', 'has_recovered_publications'],
    counts.recoveries,
    NAMESPACE,
  );
  add(
    Counter,
    'transport_outgoing_close_count',
    'Close frames sent',
    ['transport', 'code'],
    counts.outgoingCloses,
  );
}

function addTraffic(
  registers: Registry[],
  direction: 'sent' | 'received',
  traffics: ReadonlyMap<string, TrafficCounts>,
): void {
  for (const [suffix, help, key] of [
    ['', `Messages ${direction}`, 'messages'],
    ['_size', `Bytes of messages ${direction}, before they are framed or packed`, 'bytes'],
  ] as const) {
    new Counter({
      name: `centrifugo_transport_messages_${direction}${suffix}`,
      help,
      labelNames: ['transport', 'frame_type', 'channel_namespace'],
      registers,
      collect() {
        this.reset();
        for (const [transport, traffic] of traffics)
          for (const entry of traffic.entries())
            this.inc({ transport, frame_type: entry.type, ...NAMESPACE }, entry[key]);
      },
    });
  }
}
