import type { PostgresConsumerOptions } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { parseCommand } from './command.ts';
import type { Consumer, ConsumerCounters, Dispatch } from './consumer.ts';
import { Wakeup } from './wakeup.ts';

export interface OutboxDependencies {
  readonly name: string;
  readonly options: PostgresConsumerOptions;
  readonly db: Database;
  /** Where to LISTEN; the same as `db` unless a notification DSN is given. */
  readonly notificationDb: Database;
  readonly dispatch: Dispatch;
  /** Whether consumers may call a method. */
  readonly isAllowed: (method: string) => boolean;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

interface Row {
  id: number;
  method: string;
  payload: unknown;
}

const MAX_BACKOFF_MS = 5_000;
const STRAY_CHECK_MS = 60_000;

/**
 * Reads commands from an outbox table, one worker per partition (consumers, section 2).
 *
 * A worker is in one of three states. *Reading*: it takes the partition's lock, selects the oldest rows, runs them one
 * after another and deletes those that are settled; a full batch is followed by the next at once. *Waiting*: nothing is
 * left; a notification or the poll interval wakes it. *Backing off*: a command failed in a way that may pass (code
 * 100); the same row is tried again after a growing delay, and the partition's later rows wait behind it, since order
 * is the promise. A command that can never succeed is logged, counted and deleted.
 *
 * On PostgreSQL the lock is an advisory one and lives as long as the transaction that also deletes, so several servers
 * can share an outbox. The embedded database has one connection and one process: there, waiting for a command inside a
 * transaction would wait for ever, so reading and deleting are statements of their own and no lock is needed.
 */
export class PostgresOutboxConsumer implements Consumer {
  readonly name: string;
  readonly #deps: OutboxDependencies;
  readonly #wakeups: Wakeup[];
  readonly #abort = new AbortController();
  #workers: Promise<void>[] = [];
  #unlisten: (() => Promise<void>) | undefined;
  #strayCheck: NodeJS.Timeout | undefined;

  constructor(deps: OutboxDependencies) {
    this.name = deps.name;
    this.#deps = deps;
    this.#wakeups = Array.from({ length: deps.options.num_partitions }, () => new Wakeup());
  }

  /** @throws when the table cannot be read: better no start than an outbox that nobody empties */
  async start(): Promise<void> {
    const { options, db, notificationDb } = this.#deps;
    await db.query(`SELECT id, method, payload, partition FROM ${options.outbox_table_name} LIMIT 0`);
    if (options.partition_notification_channel) {
      this.#unlisten = await notificationDb.listen(options.partition_notification_channel, (payload) =>
        this.#onNotify(payload),
      );
    }
    this.#workers = this.#wakeups.map((wakeup, partition) => this.#work(partition, wakeup));
    void this.#warnOfStrays();
    this.#strayCheck = setInterval(() => void this.#warnOfStrays(), STRAY_CHECK_MS);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearInterval(this.#strayCheck);
    for (const wakeup of this.#wakeups) wakeup.wake();
    await Promise.all(this.#workers);
    await this.#unlisten?.();
  }

  #onNotify(payload: string | undefined): void {
    // Undefined: the LISTEN connection is back, and what was sent meanwhile is unknown.
    if (payload === undefined) {
      for (const wakeup of this.#wakeups) wakeup.wake();
      return;
    }
    const wakeup = /^\d+$/.test(payload) ? this.#wakeups[Number(payload)] : undefined;
    if (wakeup) wakeup.wake();
    else
      this.#deps.logger.error(
        { consumer: this.name, payload },
        'notification names no partition of this consumer',
      );
  }

  async #work(partition: number, wakeup: Wakeup): Promise<void> {
    const { options, logger, counters } = this.#deps;
    let retries = 0;
    while (!this.#abort.signal.aborted) {
      let taken = 0;
      try {
        taken = await this.#readBatch(partition);
        retries = 0;
      } catch (error) {
        retries += 1;
        counters.failed();
        const delay = backoff(retries);
        logger.error(
          { err: error, consumer: this.name, partition, retries, delay },
          'outbox: will try again',
        );
        await wakeup.wait(delay, { ignoreWakes: true, signal: this.#abort.signal });
        continue;
      }
      if (taken < options.partition_select_limit) {
        await wakeup.wait(options.partition_poll_interval, { signal: this.#abort.signal });
      }
    }
  }

  /** Settles up to one batch of rows; gives back how many. Throws what stopped it, after keeping what was done. */
  async #readBatch(partition: number): Promise<number> {
    const { db, options } = this.#deps;
    if (db.kind === 'pglite') return this.#settle(db, partition);
    let failure: unknown;
    const taken = await db.transaction(async (tx) => {
      const key = `centrifugo_partition_lock_${this.name}${partition}`;
      if (options.use_try_lock) {
        const [row] = await tx.query<{ ok: boolean }>(
          'SELECT pg_try_advisory_xact_lock(hashtext($1)) AS ok',
          [key],
        );
        if (!row?.ok) return 0;
      } else {
        await tx.query('SELECT pg_advisory_xact_lock(hashtext($1))', [key]);
      }
      // A throw would roll back the deletion of rows that are done: it is passed on after the commit.
      return this.#settle(tx, partition).catch((error) => {
        failure = error;
        return 0;
      });
    });
    if (failure !== undefined) throw failure;
    return taken;
  }

  async #settle(on: Queryable, partition: number): Promise<number> {
    const { options } = this.#deps;
    const table = options.outbox_table_name;
    const rows = await on.query<Row>(
      `SELECT id, method, payload FROM ${table} WHERE partition = $1 ORDER BY id LIMIT $2`,
      [partition, options.partition_select_limit],
    );
    const settled: number[] = [];
    try {
      for (const row of rows) {
        if (this.#abort.signal.aborted) break;
        await this.#run(row, partition);
        settled.push(row.id);
      }
    } finally {
      if (settled.length > 0) {
        await on.query(`DELETE FROM ${table} WHERE id = ANY($1::bigint[])`, [settled]);
        this.#deps.counters.processed(settled.length);
      }
    }
    return rows.length;
  }

  /** Runs one row; throws only what may pass. */
  async #run(row: Row, partition: number): Promise<void> {
    const { dispatch, isAllowed, logger, counters } = this.#deps;
    const where = { consumer: this.name, partition, id: row.id, method: row.method };
    try {
      const { method, request } = parseCommand(row.method, row.payload);
      if (!isAllowed(method)) {
        logger.info({ ...where, method }, 'outbox: no method for consumers, row skipped');
        return;
      }
      await dispatch(method, request);
    } catch (error) {
      if ((error as { code?: number }).code === 100) throw error;
      counters.failed();
      logger.error({ ...where, reason: (error as Error).message }, 'outbox: row can never succeed, skipped');
    }
  }

  async #warnOfStrays(): Promise<void> {
    const { db, options, logger } = this.#deps;
    const count = options.num_partitions;
    try {
      const rows = await db.query<{ partition: number; rows: number }>(
        `SELECT partition, count(*) AS rows FROM ${options.outbox_table_name}
         WHERE partition < 0 OR partition >= $1 GROUP BY partition`,
        [count],
      );
      for (const row of rows) {
        logger.warn(
          { consumer: this.name, ...row },
          `outbox: rows of a partition outside 0..${count - 1} are never read`,
        );
      }
    } catch (error) {
      logger.warn({ err: error, consumer: this.name }, 'outbox: could not look for stray partitions');
    }
  }
}

/** `min(5 s, (10 ms + 0–9 ms) · 2^retries)`, retries counted from 1 (consumers, section 1.3). */
function backoff(retries: number): number {
  return Math.min(MAX_BACKOFF_MS, (10 + Math.floor(Math.random() * 10)) * 2 ** Math.min(retries, 10));
}
