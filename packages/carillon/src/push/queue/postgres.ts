import type { Database } from '../../storage/database.ts';
import { joinedCalls } from './joined-calls.ts';
import {
  type BuriedLetter,
  DEAD_LETTER_RETENTION_DAYS,
  DEAD_LETTERS_READ,
  type Ending,
  type Job,
  type Lane,
  type LaneDepth,
  LeaseLostError,
  type LoadedPush,
  type NewJob,
  type PushQueue,
  UID_RETENTION_HOURS,
} from './queue.ts';
import type { StoredPush } from './stored-push.ts';

export interface PostgresQueueOptions {
  readonly db: Database;
  /** Unique to this process: the holder of its leases. */
  readonly workerId: string;
  /** How long a lease lasts without renewal. */
  readonly leaseMs: number;
  /** Table names begin with it. */
  readonly prefix?: string;
  /** Called by `close`, when the database is the queue's own. */
  readonly onClose?: () => Promise<void>;
}

/** Indexes of a job that were accepted. */
interface Note {
  readonly id: string;
  readonly indexes: readonly number[];
}

/** A row of `jsonb_to_recordset` from `jobRows`. */
const JOB_COLUMNS = 'lane text, uid text, payload json, attempt int, delay float8';
const JOB_FIELDS = 'id::text AS id, lane, uid, attempt, payload, settled';

/**
 * The queue in PostgreSQL or PGlite. `ready_at` is both the time a job is due and, once leased, the time its lease runs
 * out, so one index serves taking, delaying and taking over. All times are the database's. Each step is one statement.
 */
export class PostgresQueue implements PushQueue {
  readonly kind = 'postgresql';
  readonly #db: Database;
  readonly #workerId: string;
  readonly #lease: string;
  readonly #pushes: string;
  readonly #jobs: string;
  readonly #deadLetters: string;
  readonly #channel: string;
  readonly #onClose: (() => Promise<void>) | undefined;
  /** With a dozen jobs under way, their notes would be most of the queue's statements. */
  readonly #noteSettled = joinedCalls<Note>((notes) => this.#writeNotes(notes));

  constructor({ db, workerId, leaseMs, prefix = '', onClose }: PostgresQueueOptions) {
    this.#db = db;
    this.#workerId = workerId;
    this.#lease = `${leaseMs} milliseconds`;
    this.#pushes = `${prefix}carillon_pushes`;
    this.#jobs = `${prefix}carillon_push_jobs`;
    this.#deadLetters = `${prefix}carillon_push_dead_letters`;
    this.#channel = this.#jobs;
    this.#onClose = onClose;
  }

  /** For the embedded database, which one process holds: whoever held a lease before is dead. */
  async voidLeases(): Promise<void> {
    await this.#db.query(
      `UPDATE ${this.#jobs} SET locked_by = NULL, ready_at = now() WHERE locked_by IS NOT NULL`,
    );
  }

  async accept(push: StoredPush, jobs: readonly NewJob[]): Promise<boolean> {
    const [row] = await this.#db.query<{ accepted: number }>(
      `WITH accepted AS (
         INSERT INTO ${this.#pushes} (uid, record) VALUES ($1, $2::json) ON CONFLICT (uid) DO NOTHING RETURNING uid
       ), added AS (${this.#insertJobs('$3', 'EXISTS (SELECT FROM accepted)', 'false', "''", "''")})
       SELECT (SELECT count(*) FROM accepted) AS accepted, ${this.#notify()}`,
      [push.uid, JSON.stringify(push), jobRows(jobs)],
    );
    return row?.accepted === 1;
  }

  async load(uid: string): Promise<LoadedPush | undefined> {
    const [row] = await this.#db.query<LoadedPush>(
      `SELECT record AS push, cancelled, expired FROM ${this.#pushes} WHERE uid = $1`,
      [uid],
    );
    return row;
  }

  async cancel(uid: string): Promise<readonly Job[]> {
    return this.#db.query<Job>(
      `WITH cancelled AS (UPDATE ${this.#pushes} SET cancelled = true WHERE uid = $1)
       DELETE FROM ${this.#jobs} WHERE uid = $1 AND locked_by IS NULL RETURNING ${JOB_FIELDS}, true AS cancelled`,
      [uid],
    );
  }

  async pending(uid: string): Promise<number> {
    const [row] = await this.#db.query<{ n: number }>(
      `SELECT count(*) AS n FROM ${this.#jobs} WHERE uid = $1`,
      [uid],
    );
    return row?.n ?? 0;
  }

  async deadLetters(uid: string): Promise<readonly BuriedLetter[]> {
    const rows = await this.#db.query<BuriedLetter>(
      `SELECT provider, device_id AS recipient, code, reason, attempts FROM ${this.#deadLetters}
       WHERE uid = $1 ORDER BY id DESC LIMIT ${DEAD_LETTERS_READ}`,
      [uid],
    );
    return rows.reverse();
  }

  async take(lane: Lane, limit: number): Promise<Job[]> {
    const jobs = await this.#db.query<Job>(
      `UPDATE ${this.#jobs} j SET locked_by = $3, ready_at = clock_timestamp() + $4::interval
       WHERE id = ANY(ARRAY(
         SELECT id FROM ${this.#jobs} WHERE lane = $1 AND ready_at <= clock_timestamp()${this.#takeOverCondition()}
         ORDER BY ready_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
       )) RETURNING ${JOB_FIELDS},
         ${this.#isCancelled('j.uid')} AS cancelled`,
      [lane, limit, this.#workerId, this.#lease],
    );
    return jobs.sort((a, b) => Number(a.id) - Number(b.id));
  }

  async renew(ids: readonly string[]): Promise<void> {
    await this.#db.query(
      `UPDATE ${this.#jobs} j SET ready_at = clock_timestamp() + $3::interval FROM ${this.#held('$1', '$2')} WHERE j.id = held.id`,
      [ids, this.#workerId, this.#lease],
    );
  }

  markSettled(job: Job, indexes: readonly number[]): Promise<void> {
    return this.#noteSettled({ id: job.id, indexes });
  }

  async advance(job: Job, cursor: string, jobs: readonly NewJob[]): Promise<boolean> {
    const [row] = await this.#db.query<{ moved: number; cancelled: boolean }>(
      `WITH moved AS (
         UPDATE ${this.#jobs} SET payload = $3::json WHERE id = $1::bigint AND locked_by = $2 RETURNING id
       ), added AS (${this.#insertJobs('$4', 'EXISTS (SELECT FROM moved)', 'false', "''", "''")})
       SELECT (SELECT count(*) FROM moved) AS moved, ${this.#notify()}, ${this.#isCancelled('$5')} AS cancelled`,
      [job.id, this.#workerId, JSON.stringify({ cursor }), jobRows(jobs), job.uid],
    );
    if (row?.moved !== 1) throw new LeaseLostError(job);
    return row.cancelled;
  }

  async finish(
    job: Job,
    { next = [], dead = [], lease = false, expired = false }: Ending = {},
  ): Promise<Job[]> {
    const [row] = await this.#db.query<{ ended: number; jobs: Job[] | null }>(
      `WITH ended AS (
         DELETE FROM ${this.#jobs} WHERE id = $1::bigint AND locked_by = $2 RETURNING uid, attempt
       ), added AS (${this.#insertJobs('$3', 'EXISTS (SELECT FROM ended)', '$4::boolean', '$5', '$2')}
       ), buried AS (
         INSERT INTO ${this.#deadLetters} (uid, provider, device_id, code, reason, attempts)
         SELECT ended.uid, x.provider, x.recipient, x.code, x.reason, ended.attempt
         FROM ended CROSS JOIN jsonb_to_recordset($6::jsonb) AS x(provider text, recipient text, code text, reason text)
       ), marked AS (
         UPDATE ${this.#pushes} p SET expired = true FROM ended WHERE $7::boolean AND p.uid = ended.uid AND NOT p.expired
       )
       SELECT (SELECT count(*) FROM ended) AS ended, ${this.#notify()},
              (SELECT jsonb_agg(to_jsonb(added)) FROM added WHERE $4::boolean) AS jobs`,
      [job.id, this.#workerId, jobRows(next), lease, this.#lease, JSON.stringify(dead), expired],
    );
    if (row?.ended !== 1) throw new LeaseLostError(job);
    return row.jobs ?? [];
  }

  async giveBack(ids: readonly string[]): Promise<void> {
    await this.#db.query(
      `WITH given AS (
         UPDATE ${this.#jobs} SET locked_by = NULL, ready_at = now()
         WHERE id = ANY($1::bigint[]) AND locked_by = $2 RETURNING lane
       ) SELECT pg_notify('${this.#channel}', lane) FROM (SELECT DISTINCT lane FROM given) AS lanes`,
      [ids, this.#workerId],
    );
  }

  async nextReadyIn(lane: Lane): Promise<number | undefined> {
    const [row] = await this.#db.query<{ ms: number | null }>(
      `SELECT (extract(epoch FROM min(ready_at) - clock_timestamp()) * 1000)::float8 AS ms
       FROM ${this.#jobs} WHERE lane = $1`,
      [lane],
    );
    return row?.ms === null || row?.ms === undefined ? undefined : Math.max(0, row.ms);
  }

  async depth(): Promise<ReadonlyMap<string, LaneDepth>> {
    const rows = await this.#db.query<{ lane: string } & LaneDepth>(
      `SELECT lane, count(*) FILTER (WHERE locked_by IS NOT NULL OR ready_at <= now()) AS ready,
              count(*) FILTER (WHERE locked_by IS NOT NULL) AS leased,
              count(*) FILTER (WHERE locked_by IS NULL AND ready_at > now()) AS delayed,
              coalesce(extract(epoch FROM now() - min(ready_at) FILTER (WHERE ready_at <= now())) * 1000, 0)::float8 AS "lagMs"
       FROM ${this.#jobs} GROUP BY lane`,
    );
    return new Map(rows.map(({ lane, ...depth }) => [lane, depth]));
  }

  onReady(listener: (lane: string | undefined) => void): Promise<() => Promise<void>> {
    return this.#db.listen(this.#channel, listener);
  }

  async purge(): Promise<void> {
    await this.#db.query(
      `DELETE FROM ${this.#pushes} p WHERE p.created_at < now() - interval '${UID_RETENTION_HOURS} hours'
       AND NOT EXISTS (SELECT FROM ${this.#jobs} j WHERE j.uid = p.uid)`,
    );
    await this.#db.query(
      `DELETE FROM ${this.#deadLetters} WHERE created_at < now() - interval '${DEAD_LETTER_RETENTION_DAYS} days'`,
    );
  }

  async ping(): Promise<void> {
    await this.#db.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.#onClose?.();
  }

  async #writeNotes(notes: readonly Note[]): Promise<void> {
    await this.#db.query(
      `UPDATE ${this.#jobs} j SET settled = j.settled || note.indexes
       FROM ${this.#held('$1', '$2')} JOIN (
         SELECT u.id, array_agg(u.index ORDER BY u.at) AS indexes
         FROM unnest($1::bigint[], $3::int[]) WITH ORDINALITY AS u(id, index, at) GROUP BY u.id
       ) AS note ON note.id = held.id WHERE j.id = held.id`,
      [
        notes.flatMap(({ id, indexes }) => indexes.map(() => id)),
        this.#workerId,
        notes.flatMap(({ indexes }) => indexes),
      ],
    );
  }

  /** Jobs of this worker, locked in the order of their ids: statements on several could wait for each other else. */
  #held(ids: string, holder: string): string {
    return `(SELECT id FROM ${this.#jobs} WHERE id = ANY(${ids}::bigint[]) AND locked_by = ${holder}
             ORDER BY id FOR UPDATE) AS held`;
  }

  /**
   * After PostgreSQL was away, workers have half a lease to renew theirs, which ran out meanwhile: those who are alive
   * keep their jobs, and with them what they have sent.
   */
  #takeOverCondition(): string {
    return this.#db.kind === 'postgres'
      ? ` AND (locked_by IS NULL OR pg_postmaster_start_time() < clock_timestamp() - '${this.#lease}'::interval / 2)`
      : '';
  }

  #isCancelled(uid: string): string {
    return `coalesce((SELECT p.cancelled FROM ${this.#pushes} p WHERE p.uid = ${uid}), false)`;
  }

  #insertJobs(rows: string, condition: string, lease: string, length: string, holder: string): string {
    const leased = lease !== 'false';
    return `INSERT INTO ${this.#jobs} AS j (lane, uid, payload, attempt, ready_at, locked_by)
       SELECT lane, uid, payload, attempt,
              clock_timestamp() + ${leased ? `CASE WHEN ${lease} THEN ${length}::interval ELSE delay * interval '1 millisecond' END` : `delay * interval '1 millisecond'`},
              ${leased ? `CASE WHEN ${lease} THEN ${holder} END` : 'NULL'}
       FROM json_to_recordset(${rows}::json) AS x(${JOB_COLUMNS}) WHERE ${condition}
       RETURNING ${JOB_FIELDS}, ${this.#isCancelled('j.uid')} AS cancelled, locked_by IS NULL AS free`;
  }

  /** Wakes workers, when the statement commits, for lanes that got jobs which nobody has. */
  #notify(): string {
    return `(SELECT count(pg_notify('${this.#channel}', lane)) FROM (SELECT DISTINCT lane FROM added WHERE free) AS lanes) AS notified`;
  }
}

function jobRows(jobs: readonly NewJob[]): string {
  return JSON.stringify(
    jobs.map(({ lane, uid, payload, attempt = 1, delayMs = 0 }) => ({
      lane,
      uid,
      payload,
      attempt,
      delay: delayMs,
    })),
  );
}
