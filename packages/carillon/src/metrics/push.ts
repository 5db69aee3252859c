import { Gauge, type Registry } from 'prom-client';

/** A scrape collects its gauges within this time. */
const SHARED_MS = 100;

interface LaneDepth {
  readonly ready: number;
  readonly leased: number;
  readonly delayed: number;
  readonly lagMs: number;
}

/** What push can say of itself at any moment. */
export interface PushObservations {
  /** The queue's engine. */
  readonly queue: string;
  depth(): Promise<ReadonlyMap<string, LaneDepth>>;
  inFlight(): ReadonlyMap<string, number>;
  /** A share of 0 to 1 for each sender thread: how busy it was since the last look. */
  senders(): { readonly inFlight: number; readonly threads: readonly number[] };
}

/** Adds gauges of the queue and the senders. A queue that cannot be reached leaves its gauges out, and the rest stays. */
export function observePush(register: Registry, { queue, depth, inFlight, senders }: PushObservations): void {
  const labelNames = ['provider', 'queue'] as const;
  const registers = [register];
  const look = sharedFor(SHARED_MS, () => depth().catch(() => new Map<string, LaneDepth>()));
  const laneGauge = (name: string, help: string, measure: (lane: LaneDepth) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset();
        for (const [provider, lane] of await look()) this.set({ provider, queue }, measure(lane));
      },
    });
  laneGauge(
    'centrifugo_push_queue_consuming_lag',
    'Jobs of the push queue whose time has come and that no worker has yet',
    (lane) => Math.max(0, lane.ready - lane.leased),
  );
  laneGauge(
    'carillon_push_queue_delayed_jobs',
    'Jobs of the push queue with a time to come: scheduled, limited, or to be tried again',
    (lane) => lane.delayed,
  );
  laneGauge(
    'carillon_push_queue_lag_seconds',
    'How long the oldest job waits whose time has come',
    (lane) => lane.lagMs / 1000,
  );
  new Gauge({
    name: 'centrifugo_push_consuming_inflight_jobs',
    help: 'Jobs of the push queue that this process has under way',
    labelNames,
    registers,
    collect() {
      for (const [provider, jobs] of inFlight()) this.set({ provider, queue }, jobs);
    },
  });
  new Gauge({
    name: 'carillon_push_sender_utilization',
    help: 'Share of time that a sender thread was busy since the last scrape, 0 to 1',
    labelNames: ['thread'],
    registers,
    collect() {
      senders().threads.forEach((share, thread) => {
        this.set({ thread }, share);
      });
    },
  });
}

/** One call serves all who ask within `ms`: a scrape looks at the queue once. */
function sharedFor<T>(ms: number, load: () => Promise<T>): () => Promise<T> {
  let last: { at: number; result: Promise<T> } | undefined;
  return () => {
    const now = performance.now();
    if (!last || now - last.at > ms) last = { at: now, result: load() };
    return last.result;
  };
}
