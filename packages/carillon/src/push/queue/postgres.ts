import type { Database, Queryable } from '../../storage/database.ts';
import { type Job, type Lane, LeaseLostError, type NewJob, type PushQueue } from './queue.ts';

const CHANNEL = 'carillon_push_jobs';

export interface PostgresQueueOptions {
  readonly db: Database;
  /** Unique to this process: the holder of its leases. */
  readonly workerId: string;
  /** How long a lease lasts without renewal. */
  readonly leaseMs: number;
}

/**
 * The queue in PostgreSQL or PGlite. `ready_at` is both the time a job is due and, once leased, the time its lease runs
 * out, so one index serves taking, delaying and taking over. All times are the database's.
 */
export class PostgresQueue implements PushQueue {
  readonly #db: Database;
  readonly #workerId: string;
  readonly #lease: string;

  constructor({ db, workerId, leaseMs }: PostgresQueueOptions) {
    this.#db = db;
    this.#workerId = workerId;
    this.#lease = `${leaseMs} milliseconds`;
  }

  /** For the embedded database, which one process holds: whoever held a lease before is dead. */
  async voidLeases(): Promise<void> {
    await this.#db.query(
      'UPDATE carillon_push_jobs SET locked_by = NULL, ready_at = now() WHERE locked_by IS NOT NULL',
    );
  }

  async add(tx: Queryable, jobs: readonly NewJob[], { lease = false } = {}): Promise<Job[]> {
    if (jobs.length === 0) return [];
    const rows = jobs.map(({ lane, uid, payload, attempt = 1, delayMs = 0 }) => ({
      lane,
      uid,
      payload,
      attempt,
      delay: delayMs,
    }));
    const added = await tx.query<Job>(
      `INSERT INTO carillon_push_jobs (lane, uid, payload, attempt, ready_at, locked_by)
       SELECT lane, uid, payload, attempt,
              clock_timestamp() + CASE WHEN $2 THEN $3::interval ELSE delay * interval '1 millisecond' END,
              CASE WHEN $2 THEN $4 END
       FROM jsonb_to_recordset($1::jsonb) AS x(lane text, uid text, payload jsonb, attempt int, delay float8)
       RETURNING id, lane, uid, attempt, payload, settled`,
      [JSON.stringify(rows), lease, this.#lease, this.#workerId],
    );
    if (!lease) {
      const lanes = [...new Set(jobs.map((job) => job.lane))];
      await tx.query(`SELECT pg_notify('${CHANNEL}', lane) FROM unnest($1::text[]) AS lane`, [lanes]);
    }
    return added;
  }

  async take(lane: Lane, limit: number): Promise<Job[]> {
    const jobs = await this.#db.query<Job>(
      `UPDATE carillon_push_jobs SET locked_by = $3, ready_at = clock_timestamp() + $4::interval
       WHERE id IN (
         SELECT id FROM carillon_push_jobs WHERE lane = $1 AND ready_at <= clock_timestamp()
         ORDER BY ready_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
       ) RETURNING id, lane, uid, attempt, payload, settled`,
      [lane, limit, this.#workerId, this.#lease],
    );
    return jobs.sort((a, b) => a.id - b.id);
  }

  async renew(ids: readonly number[]): Promise<void> {
    await this.#db.query(
      `UPDATE carillon_push_jobs SET ready_at = clock_timestamp() + $3::interval
       WHERE id = ANY($1::bigint[]) AND locked_by = $2`,
      [ids, this.#workerId, this.#lease],
    );
  }

  async markSettled(job: Job, indexes: readonly number[]): Promise<void> {
    await this.#db.query(
      'UPDATE carillon_push_jobs SET settled = settled || $3::int[] WHERE id = $1 AND locked_by = $2',
      [job.id, this.#workerId, indexes],
    );
  }

  async moveCursor(tx: Queryable, job: Job, cursor: string): Promise<void> {
    const rows = await tx.query(
      `UPDATE carillon_push_jobs SET payload = $3::jsonb WHERE id = $1 AND locked_by = $2 RETURNING id`,
      [job.id, this.#workerId, JSON.stringify({ cursor })],
    );
    if (rows.length === 0) throw new LeaseLostError(`job ${job.id} belongs to another worker now`);
  }

  async finish(tx: Queryable, job: Job): Promise<void> {
    const rows = await tx.query(
      'DELETE FROM carillon_push_jobs WHERE id = $1 AND locked_by = $2 RETURNING id',
      [job.id, this.#workerId],
    );
    if (rows.length === 0) throw new LeaseLostError(`job ${job.id} belongs to another worker now`);
  }

  async giveBack(ids: readonly number[]): Promise<void> {
    await this.#db.query(
      `UPDATE carillon_push_jobs SET locked_by = NULL, ready_at = now() WHERE id = ANY($1::bigint[]) AND locked_by = $2`,
      [ids, this.#workerId],
    );
  }

  async nextReadyIn(lane: Lane): Promise<number | undefined> {
    const [row] = await this.#db.query<{ ms: number | null }>(
      `SELECT (extract(epoch FROM min(ready_at) - clock_timestamp()) * 1000)::float8 AS ms
       FROM carillon_push_jobs WHERE lane = $1`,
      [lane],
    );
    return row?.ms === null || row?.ms === undefined ? undefined : Math.max(0, row.ms);
  }

  async depth(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#db.query<{ lane: string; n: number }>(
      'SELECT lane, count(*) AS n FROM carillon_push_jobs GROUP BY lane',
    );
    return new Map(rows.map((row) => [row.lane, row.n]));
  }

  onReady(listener: (lane: string | undefined) => void): Promise<() => Promise<void>> {
    return this.#db.listen(CHANNEL, listener);
  }
}
