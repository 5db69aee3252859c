import type { Database, Queryable } from 'carillon';
import type { Logger } from 'pino';
import { broadcastPayload, type CommandTable } from './command-table.ts';

export interface ExpanderOptions {
  readonly db: Database;
  readonly table: CommandTable;
  /** Partitions of big rooms, which come behind the ordinary ones. */
  readonly partitions: number;
  /** Whether rows are deleted when they are carried out, so that those that are there still wait. */
  readonly isEmptied: boolean;
  readonly logger: Pick<Logger, 'error'>;
}

/** Channels in one command, about. */
const CHANNELS_PER_ROW = 1_500;
/** Events for single users in one step. */
const EVENTS_PER_STEP = 500;
/** Rows of big rooms that may wait to be carried out: 40 MB or so. Events, which are small, wait behind them. */
const MAX_WAITING_ROWS = 1_000;
/** Where nothing says when rows have been carried out, a room's old ones count as done after this time. */
const SETTLED_AFTER_MS = 30_000;
const POLL_MS = 1_000;
/** While events wait for something that sends no notification. */
const WAITING_POLL_MS = 50;
const WORKERS = 2;

/**
 * Turns events of big rooms into commands for their members, step by step; any number of processes do so side by side.
 *
 * An event *waits* while an older one of its room is there, the first one of a room also while rows of its time as an ordinary
 * room are (`TableBroadcaster`), and all while too many rows of big rooms are: with the consumer away for an hour, they would fill
 * the disk. Then it is *expanding*: a step locks it, writes the commands for the next members in the
 * order of their ids, notes the last id, and is committed, so that delivery begins while later members still have none. With
 * the last page it is deleted, in the same step. A step is one transaction: a process that dies in the middle of one has
 * done nothing, and whoever comes next goes on from the last id. Events of which fewer pages are written come first, so that
 * a huge room does not keep others waiting.
 *
 * A user's commands in one room keep their order: the partition follows from the user's id alone, rows of an event are
 * written when those of all earlier ones are committed, and ids rise. Big rooms have partitions of their own, in which ordinary
 * rooms have nothing to wait for.
 */
export class Expander {
  readonly #options: ExpanderOptions;
  readonly #partitionOf: string;
  #workers: Promise<void>[] = [];
  #unlisten: (() => Promise<void>) | undefined;
  readonly #sleepers = new Set<() => void>();
  #stopped = false;
  #isFailing = false;

  constructor(options: ExpanderOptions) {
    this.#options = options;
    const { table, partitions } = options;
    this.#partitionOf = `${table.partitions} + user_id % ${partitions}`;
  }

  async start(): Promise<void> {
    const { db } = this.#options;
    this.#unlisten = await db.listen('chat_event', () => this.#wake());
    // The embedded database has one connection.
    const count = db.kind === 'pglite' ? 1 : WORKERS;
    this.#workers = Array.from({ length: count }, () => this.#work());
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await Promise.all(this.#workers);
    await this.#unlisten?.();
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      let pause: number;
      try {
        const hasWorked = await this.#options.db.transaction((tx) => this.#step(tx));
        if (hasWorked) continue;
        const [row] = await this.#options.db.query<{ any: boolean }>(
          'SELECT EXISTS (SELECT FROM chat_event) AS any',
        );
        pause = row?.any ? WAITING_POLL_MS : POLL_MS;
        this.#isFailing = false;
      } catch (error) {
        // Once, until it has succeeded again: an outage is no reason to fill the log.
        if (!this.#isFailing)
          this.#options.logger.error({ err: error }, 'an event could not be expanded, will try again');
        this.#isFailing = true;
        pause = POLL_MS;
      }
      await this.#sleep(pause);
    }
  }

  /** False when nothing can be done at the moment. */
  async #step(tx: Queryable): Promise<boolean> {
    const { table, isEmptied } = this.#options;
    const [event] = await tx.query<{ id: number; room_id: number; to_members: boolean; expanded_to: number }>(
      `SELECT e.id, e.room_id, e.to_members, e.expanded_to FROM chat_event e
       WHERE e.id IN (SELECT min(id) FROM chat_event GROUP BY room_id)
         AND (
           NOT EXISTS (SELECT FROM ${table.name} o WHERE o.partition = e.waits_partition AND o.id <= e.waits_id)
           OR NOT $1::boolean AND e.created_at < clock_timestamp() - interval '${SETTLED_AFTER_MS} milliseconds'
         )
         AND NOT ($1::boolean AND (
           SELECT count(*) FROM (
             SELECT FROM ${table.name} WHERE partition >= ${table.partitions} LIMIT ${MAX_WAITING_ROWS}
           ) AS waiting
         ) = ${MAX_WAITING_ROWS})
       ORDER BY e.pages, e.id LIMIT 1 FOR UPDATE OF e SKIP LOCKED`,
      [isEmptied],
    );
    if (!event) return false;
    if (event.to_members) await this.#expandPage(tx, event);
    else await this.#expandSingles(tx, event.room_id);
    return true;
  }

  async #expandPage(
    tx: Queryable,
    { id, room_id, expanded_to }: { id: number; room_id: number; expanded_to: number },
  ): Promise<void> {
    const { table, partitions } = this.#options;
    const size = CHANNELS_PER_ROW * partitions;
    await tx.query(
      `WITH event AS (SELECT data::text AS data, idempotency_key, to_users FROM chat_event WHERE id = $1),
       page AS (
         SELECT user_id FROM (
           (SELECT user_id FROM chat_roommember WHERE room_id = $2 AND user_id > $3 ORDER BY user_id LIMIT ${size})
           UNION SELECT u FROM event, unnest(to_users) AS u WHERE u > $3
         ) AS users ORDER BY user_id LIMIT ${size}
       ),
       commands AS (
         INSERT INTO ${table.name} (method, payload, partition)
         SELECT 'broadcast', (${broadcastPayload({ data: 'data', key: 'idempotency_key' })})::json, ${this.#partitionOf}
         FROM page, event GROUP BY data, idempotency_key, ${this.#partitionOf}
       ),
       extent AS (SELECT count(*) AS count, max(user_id) AS last FROM page),
       progress AS (
         UPDATE chat_event SET expanded_to = extent.last, pages = pages + 1 FROM extent
         WHERE id = $1 AND extent.count = ${size}
       )
       DELETE FROM chat_event USING extent WHERE id = $1 AND extent.count < ${size}`,
      [id, room_id, expanded_to],
    );
  }

  /** Those at the head of a room's events that are for single users. */
  async #expandSingles(tx: Queryable, roomId: number): Promise<void> {
    await tx.query(
      `WITH done AS (
         DELETE FROM chat_event WHERE id IN (
           SELECT id FROM chat_event WHERE room_id = $1 AND id < coalesce(
             (SELECT min(id) FROM chat_event WHERE room_id = $1 AND to_members), 9223372036854775807
           ) ORDER BY id LIMIT ${EVENTS_PER_STEP}
         ) RETURNING id, data::text AS data, idempotency_key, to_users
       )
       INSERT INTO ${this.#options.table.name} (method, payload, partition)
       SELECT 'broadcast', (${broadcastPayload({ data: 'data', key: 'idempotency_key' })})::json, ${this.#partitionOf}
       FROM done, unnest(to_users) AS user_id
       GROUP BY id, data, idempotency_key, ${this.#partitionOf} ORDER BY id`,
      [roomId],
    );
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#sleepers.add(done);
    });
  }

  #wake(): void {
    for (const sleeper of this.#sleepers) sleeper();
  }
}
