/** What goes over a transport, as metrics name it; replies are named by their command. */
export const FRAME_TYPES = [
  'unknown',
  'server_ping',
  'client_pong',
  'connect',
  'subscribe',
  'unsubscribe',
  'publish',
  'presence',
  'presence_stats',
  'history',
  'rpc',
  'send',
  'refresh',
  'sub_refresh',
  'push_connect',
  'push_subscribe',
  'push_publication',
  'push_join',
  'push_leave',
  'push_unsubscribe',
  'push_message',
  'push_refresh',
  'push_disconnect',
] as const;
export type FrameType = (typeof FRAME_TYPES)[number];

const PLACES = new Map<string, number>(FRAME_TYPES.map((type, place) => [type, place]));
/** The protocol has a shorter name for it. */
PLACES.set('push_pub', PLACES.get('push_publication') as number);

/** Messages and bytes by frame type, in arrays: this is counted for every receiver of every message. */
export class Traffic {
  readonly #messages = new Float64Array(FRAME_TYPES.length);
  readonly #bytes = new Float64Array(FRAME_TYPES.length);

  /** @param place of a frame type, as `placeOf` has it */
  add(place: number, bytes: number): void {
    this.#messages[place] = (this.#messages[place] as number) + 1;
    this.#bytes[place] = (this.#bytes[place] as number) + bytes;
  }

  /** Frame types that there were, with their messages and bytes. */
  entries(): { type: FrameType; messages: number; bytes: number }[] {
    return FRAME_TYPES.map((type, place) => ({
      type,
      messages: this.#messages[place] as number,
      bytes: this.#bytes[place] as number,
    })).filter(({ messages }) => messages > 0);
  }
}

/** Where `Traffic` counts a message to a client: `{}` is a ping. */
export function placeOfMessage(message: object): number {
  const { push } = message as { push?: object };
  if (!push) return placeOf(Object.keys(message).find((name) => name !== 'id') ?? 'server_ping');
  return placeOf(`push_${Object.keys(push).find((name) => name !== 'channel')}`);
}

/** Where `Traffic` counts a frame type. */
export function placeOf(type: string | undefined): number {
  return PLACES.get(type ?? 'unknown') ?? 0;
}

/** Counts by the values of labels. */
export class Tally {
  readonly #counts = new Map<string, { readonly labels: readonly string[]; value: number }>();

  add(labels: readonly string[], by = 1): void {
    const key = labels.join('\n');
    const count = this.#counts.get(key);
    if (count) count.value += by;
    else this.#counts.set(key, { labels, value: by });
  }

  entries(): Iterable<{ readonly labels: readonly string[]; readonly value: number }> {
    return this.#counts.values();
  }
}

/** What real time counts of itself, as plain numbers; metrics read them when they are asked for. Labels stand in brackets. */
export class Counters {
  /** [action] */
  readonly actions = new Tally();
  /** [transport, client_name, client_version] */
  readonly connectionsAccepted = new Tally();
  readonly connectionsInflight = new Tally();
  /** [client_name] */
  readonly subscriptionsAccepted = new Tally();
  readonly subscriptionsInflight = new Tally();
  /** [method, code] */
  readonly replyErrors = new Tally();
  /** [code] */
  readonly serverUnsubscribes = new Tally();
  readonly serverDisconnects = new Tally();
  /** [recovered, has_recovered_publications] */
  readonly recoveries = new Tally();
  /** [transport, code] of frames that close, which this side has sent */
  readonly outgoingCloses = new Tally();
  /** By transport. */
  readonly sent = new Map<string, Traffic>();
  readonly received = new Map<string, Traffic>();
  /** How long a publication took to be handed to all its receivers here; seconds. */
  onBroadcast: (seconds: number) => void = () => {};
  /** How long a client took to answer a ping; seconds. */
  onPong: (transport: string, seconds: number) => void = () => {};

  action(name: string): void {
    this.actions.add([name]);
  }

  trafficOf(transport: string): { sent: Traffic; received: Traffic } {
    return { sent: trafficIn(this.sent, transport), received: trafficIn(this.received, transport) };
  }
}

function trafficIn(traffics: Map<string, Traffic>, transport: string): Traffic {
  const known = traffics.get(transport);
  if (known) return known;
  const traffic = new Traffic();
  traffics.set(transport, traffic);
  return traffic;
}
