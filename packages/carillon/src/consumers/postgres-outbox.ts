import type { PostgresConsumerOptions } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { backoff } from './backoff.ts';
import type { CommandRunner } from './command-runner.ts';
import type { Consumer, ConsumerCounters } from './consumer.ts';
import { Outage } from './outage.ts';
import type { DatabaseParkingLot } from './parking.ts';
import { Wakeup } from './wakeup.ts';

export interface OutboxDependencies {
  readonly name: string;
  readonly options: PostgresConsumerOptions;
  readonly db: Database;
  /** Where to LISTEN; the same as `db` unless a notification DSN is given. */
  readonly notificationDb: Database;
  readonly runner: CommandRunner;
  /** In `db`, so that a row is parked in the transaction that takes it from the outbox. */
  readonly parking: DatabaseParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

interface Row {
  id: number;
  method: string;
  payload: unknown;
}

/** What one look at a partition came to; a `delay` in milliseconds when its first row left must be tried again. */
interface Turn {
  readonly read: number;
  readonly settled: number;
  /** Of those settled. */
  readonly parked: number;
  readonly delay: number;
}

const NOTHING: Turn = { read: 0, settled: 0, parked: 0, delay: 0 };
const COUNT_MS = 60_000;

/**
 * Reads commands from an outbox table, one worker per partition (consumers, section 2).
 *
 * A worker is in one of three states. *Reading*: it takes the partition's lock, selects the oldest rows, runs them one
 * after another and deletes those that are settled; a full batch is followed by the next at once. *Waiting*: nothing is
 * left; a notification or the poll interval wakes it. *Backing off*: a command failed in a way that may pass, or the
 * database did; the same row is tried again after a growing delay, and the partition's later rows wait behind it, since
 * order is the promise. A row that can never succeed is moved to the parked commands in the same transaction.
 *
 * On PostgreSQL the lock is an advisory one and lives as long as the transaction that also deletes, so several servers
 * can share an outbox. The embedded database has one connection and one process: there, waiting for a command inside a
 * transaction would wait for ever, so reading and deleting are statements of their own and no lock is needed.
 */
export class PostgresOutboxConsumer implements Consumer {
  readonly name: string;
  readonly #deps: OutboxDependencies;
  readonly #wakeups: Wakeup[];
  readonly #outage: Outage;
  readonly #abort = new AbortController();
  #workers: Promise<void>[] = [];
  #unlisten: (() => Promise<void>) | undefined;
  #count: NodeJS.Timeout | undefined;

  constructor(deps: OutboxDependencies) {
    this.name = deps.name;
    this.#deps = deps;
    this.#outage = new Outage(deps.name, 'the outbox', deps.logger);
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
    void this.#countRows();
    this.#count = setInterval(() => void this.#countRows(), COUNT_MS);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearInterval(this.#count);
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
    const { options, counters } = this.#deps;
    let attempt = 1;
    while (!this.#abort.signal.aborted) {
      let turn: Turn;
      try {
        turn = await this.#readBatch(partition, attempt);
        this.#outage.over(`partition ${partition}`);
        // Not before the commit: a batch that fails then runs again.
        if (turn.settled > 0) counters.processed(turn.settled);
        if (turn.parked > 0) counters.parked(turn.parked);
      } catch (error) {
        counters.failed();
        turn = { ...NOTHING, delay: backoff(attempt) };
        this.#outage.note(`partition ${partition}`, error);
      }
      if (turn.delay > 0) {
        attempt = turn.settled > 0 ? 2 : attempt + 1;
        await wakeup.wait(turn.delay, { ignoreWakes: true, signal: this.#abort.signal });
        continue;
      }
      attempt = 1;
      if (turn.read < options.partition_select_limit) {
        await wakeup.wait(options.partition_poll_interval, { signal: this.#abort.signal });
      }
    }
  }

  /** Settles up to one batch of rows; `attempt` is that of the first. */
  async #readBatch(partition: number, attempt: number): Promise<Turn> {
    const { db, options } = this.#deps;
    if (db.kind === 'pglite') return this.#settle(db, partition, attempt);
    return db.transaction(async (tx) => {
      const key = `centrifugo_partition_lock_${this.name}${partition}`;
      if (options.use_try_lock) {
        const [row] = await tx.query<{ ok: boolean }>(
          'SELECT pg_try_advisory_xact_lock(hashtext($1)) AS ok',
          [key],
        );
        if (!row?.ok) return NOTHING;
      } else {
        await tx.query('SELECT pg_advisory_xact_lock(hashtext($1))', [key]);
      }
      return this.#settle(tx, partition, attempt);
    });
  }

  async #settle(on: Queryable, partition: number, attempt: number): Promise<Turn> {
    const { options, runner, parking } = this.#deps;
    const table = options.outbox_table_name;
    const rows = await on.query<Row>(
      `SELECT id, method, payload FROM ${table} WHERE partition = $1 ORDER BY id LIMIT $2`,
      [partition, options.partition_select_limit],
    );
    const settled: number[] = [];
    let parked = 0;
    let delay = 0;
    for (const [index, { id, method, payload }] of rows.entries()) {
      if (this.#abort.signal.aborted) break;
      const command = { method, body: payload, partition, position: String(id) };
      const verdict = await runner.run(command, index === 0 ? attempt : 1);
      if (verdict.kind === 'retry') {
        delay = verdict.delay;
        break;
      }
      if (verdict.kind === 'parked') {
        await parking.park(this.name, { ...command, reason: verdict.reason }, on);
        parked += 1;
      }
      settled.push(id);
    }
    if (settled.length > 0) {
      await on.query(`DELETE FROM ${table} WHERE id = ANY($1::bigint[])`, [settled]);
    }
    return { read: rows.length, settled: settled.length, parked, delay };
  }

  /** Tells how many rows wait, and of rows that nobody reads. */
  async #countRows(): Promise<void> {
    const { db, options, logger, counters } = this.#deps;
    const count = options.num_partitions;
    const waiting = new Map(this.#wakeups.map((_wakeup, partition) => [partition, 0]));
    try {
      const rows = await db.query<{ partition: number; rows: number }>(
        `SELECT partition, count(*) AS rows FROM ${options.outbox_table_name} GROUP BY partition`,
      );
      for (const row of rows) {
        waiting.set(row.partition, row.rows);
        if (row.partition >= 0 && row.partition < count) continue;
        logger.warn(
          { consumer: this.name, ...row },
          `outbox: rows of a partition outside 0..${count - 1} are never read`,
        );
      }
      for (const [partition, rows] of waiting) counters.lag('messages', String(partition), rows);
    } catch (error) {
      logger.warn({ err: error, consumer: this.name }, 'outbox: rows could not be counted');
    }
  }
}
