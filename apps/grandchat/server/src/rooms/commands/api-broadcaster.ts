import { setTimeout as delay } from 'node:timers/promises';
import { type Database, UnavailableError } from 'carillon';
import type { Logger } from 'pino';
import { type CarillonClient, CarillonUnavailableError } from '../../push/carillon-client.ts';
import { RepeatedLog } from './repeated-log.ts';
import type { Broadcaster, RoomEvent } from './room-events.ts';
import { RoomQueues } from './room-queues.ts';

interface Waiting {
  readonly event: RoomEvent;
  /** By `performance.now()`. */
  readonly retryUntil: number;
}

export interface ApiBroadcasterOptions {
  readonly db: Database;
  /** Of the server that has the real-time connections. */
  readonly server: CarillonClient;
  /** How often one request is tried at most. */
  readonly attempts: number;
  /** What becomes of an event that could not be sent, for the log, where it is an error if that is its loss. */
  readonly otherwise: 'it is lost' | 'it comes by chat_cdc';
  readonly logger: Pick<Logger, 'warn' | 'error'>;
}

/** Channels in one request. */
const PAGE = 10_000;
const TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
/** From its commit on; far less than a server remembers keys (300 s). */
const RETRY_MS = 60_000;
const CLOSE_MS = 5_000;
const LOG_EVERY_MS = 10_000;
const STOPS = new Error('GrandChat stops');
/** Events for single users that are sent side by side. */
const SIDE_BY_SIDE = 32;
const QUEUES = { maxPerRoom: 1_000, max: 10_000, concurrency: 8 };

/**
 * Mode `api`: events are sent to the real-time server when they are committed, by its HTTP API; the writer does not wait.
 *
 * An event *waits* in its room's queue, *is sent* page by page of the room's members, and is *done*. A page or request that
 * fails in a way that may pass (the database is away, no connection, no answer in time, status 5xx or 429, error 100 for the whole or for a channel) is
 * tried again after a growing pause, with the same idempotency key, so that channels that had it already have it once; the
 * room's later events wait meanwhile, other rooms' do not. A minute after its commit, after the last attempt that it may have, at
 * any other error, when its queue is full and when this process ends, the event is lost: that is the bargain of this mode.
 * What has waited for longer than a minute has one attempt, so that a room is not behind for longer than an outage lasts.
 *
 * Members are read when an event is sent, so who has left since does not hear of what was said before, and who has come
 * may: pages know what they have.
 */
export class ApiBroadcaster implements Broadcaster {
  readonly #options: ApiBroadcasterOptions;
  readonly #abort = new AbortController();
  readonly #queues: RoomQueues<Waiting>;
  readonly #failures: RepeatedLog;
  readonly #drops: RepeatedLog;
  #dropped = 0;

  constructor(options: ApiBroadcasterOptions) {
    this.#options = options;
    const { logger, otherwise } = options;
    this.#failures = new RepeatedLog({
      everyMs: LOG_EVERY_MS,
      write: (fields) => logger.warn(fields, 'an event could not be sent, will try again'),
    });
    const level = otherwise === 'it is lost' ? 'error' : 'warn';
    this.#drops = new RepeatedLog({
      everyMs: LOG_EVERY_MS,
      write: (fields) => logger[level](fields, `an event was not sent by the API: ${otherwise}`),
    });
    this.#queues = new RoomQueues({ ...QUEUES, work: (events) => this.#sendFirst(events) });
  }

  /** Events that were not sent, or not to everybody, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  async write(): Promise<void> {}

  send(event: RoomEvent): void {
    const waiting = { event, retryUntil: performance.now() + RETRY_MS };
    if (this.#abort.signal.aborted) this.#drop(event, STOPS);
    else if (!this.#queues.add(event.roomId, waiting)) this.#drop(event, new Error('too many events wait'));
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(), CLOSE_MS);
    await this.#queues.idle();
    clearTimeout(timer);
    this.#abort.abort();
    this.#failures.close();
    this.#drops.close();
  }

  /** The first event; or, of those for single users, as many as stand at the head: their order does not matter. */
  async #sendFirst(events: readonly Waiting[]): Promise<number> {
    const next = events.slice(0, SIDE_BY_SIDE).findIndex(({ event }) => event.toMembers);
    const count = next === 0 ? 1 : next > 0 ? next : Math.min(events.length, SIDE_BY_SIDE);
    const first = events.slice(0, count);
    await Promise.all(first.map((waiting) => this.#sendWhole(waiting)));
    return count;
  }

  async #sendWhole(waiting: Waiting): Promise<void> {
    const { type, body, idempotencyKey } = waiting.event;
    const rest = `],"data":${JSON.stringify({ type, body })},"idempotency_key":${JSON.stringify(idempotencyKey)}}`;
    try {
      for (let after = 0; ; ) {
        this.#abort.signal.throwIfAborted();
        const page = await this.#repeated(waiting, () => this.#page(waiting.event, after));
        const request = `{"channels":[${page.channels}${rest}`;
        if (page.count > 0) await this.#repeated(waiting, () => this.#broadcast(request, waiting.event));
        if (page.count < PAGE) return;
        after = page.last;
      }
    } catch (error) {
      this.#drop(waiting.event, this.#abort.signal.aborted ? STOPS : (error as Error));
    }
  }

  /** Channels as JSON text: the list of members never becomes objects here. */
  async #page(
    { roomId, toMembers, toUsers }: RoomEvent,
    after: number,
  ): Promise<{ channels: string; count: number; last: number }> {
    const [page] = await this.#options.db.query<{ channels: string; count: number; last: number }>(
      `SELECT string_agg('"personal:' || user_id || '"', ',' ORDER BY user_id) AS channels, count(*) AS count, max(user_id) AS last
       FROM (
         SELECT user_id FROM (
           (SELECT user_id FROM chat_roommember WHERE room_id = $1 AND $4::boolean AND user_id > $2 ORDER BY user_id LIMIT ${PAGE})
           UNION SELECT id FROM unnest($3::bigint[]) AS id WHERE id > $2
         ) AS users ORDER BY user_id LIMIT ${PAGE}
       ) AS page`,
      [roomId, after, toUsers, toMembers],
    );
    return page as { channels: string; count: number; last: number };
  }

  async #broadcast(request: string, event: RoomEvent): Promise<void> {
    const { signal } = this.#abort;
    const answer = await this.#options.server.callText('broadcast', request, {
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    this.#checkChannels(answer, event);
  }

  /** Does a step again while it fails in a way that may pass, as often and as long as it may. */
  async #repeated<T>({ event, retryUntil }: Waiting, step: () => Promise<T>): Promise<T> {
    const { attempts } = this.#options;
    const { signal } = this.#abort;
    for (let attempt = 1; ; attempt++) {
      try {
        return await step();
      } catch (error) {
        const isLast = attempt === attempts || performance.now() > retryUntil;
        if (isLast || signal.aborted || !mayPass(error)) throw error;
        const pause =
          Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
        if (attempt === 1) this.#failures.note((error as Error).message, aboutEvent(event, error as Error));
        await delay(pause, undefined, { signal });
      }
    }
  }

  /** @throws CarillonUnavailableError when a channel has failed in a way that may pass */
  #checkChannels(answer: string, event: RoomEvent): void {
    if (!answer.includes('"error"')) return;
    const { result } = JSON.parse(answer) as {
      result?: { responses?: { error?: { code: number; message: string } }[] };
    };
    const errors = (result?.responses ?? []).flatMap(({ error }) => (error ? [error] : []));
    const passing = errors.find(({ code }) => code === 100);
    if (passing) throw new CarillonUnavailableError(`${errors.length} channels: ${passing.message}`);
    const [refused] = errors;
    if (refused) {
      this.#options.logger.error(
        { room: event.roomId, key: event.idempotencyKey, channels: errors.length, code: refused.code },
        `an event was refused for some channels: ${refused.message}`,
      );
    }
  }

  #drop(event: RoomEvent, error: Error): void {
    this.#dropped += 1;
    this.#drops.note(error.message, { ...aboutEvent(event, error), dropped: this.#dropped });
  }
}

function aboutEvent({ roomId, idempotencyKey }: RoomEvent, error: Error): object {
  return { room: roomId, key: idempotencyKey, reason: error.message };
}

function mayPass(error: unknown): boolean {
  if (error instanceof UnavailableError) return true;
  if (!(error instanceof CarillonUnavailableError)) return false;
  const { status } = error;
  return status === undefined || status === 429 || status >= 500;
}
