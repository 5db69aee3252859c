/**
 * What became of each push at each device, as `push_status` tells it.
 *
 * A row only moves up: dropped, expired and cancelled say why nothing was sent; failed, why what was sent did not arrive at
 * the push service; accepted, that the service took it; delivered and interacted come from the app by
 * `update_push_status`. So a repeat after a crash changes nothing, and a report that comes early stays.
 */
import { createHash } from 'node:crypto';
import type { StatusConfig } from '../../config/config.ts';
import type { Database } from '../../storage/database.ts';
import { Params } from '../devices/device-filter.ts';

export const STATUSES = [
  'dropped',
  'expired',
  'cancelled',
  'failed',
  'accepted',
  'delivered',
  'interacted',
] as const;
export type Status = (typeof STATUSES)[number];

/** What became of a push at one recipient. */
export interface StatusRecord {
  /** A device's id, or a shortened token. */
  readonly recipient: string;
  readonly status: Status;
  /** A short stable word, e.g. `unregistered` or `rate_limited`. */
  readonly code?: string;
  /** Words for a person. */
  readonly reason?: string;
  /** The push service's name for the message. */
  readonly messageId?: string;
  readonly attempts?: number;
}

export interface StatusRow {
  readonly uid: string;
  readonly recipient: string;
  readonly provider: string;
  readonly status: Status;
  readonly code: string;
  readonly reason: string;
  readonly message_id: string;
  readonly attempts: number;
  /** Unix seconds, as the next two; 0 when it did not happen. */
  readonly updated_at: number;
  readonly delivered_at: number;
  readonly interacted_at: number;
}

export interface StatusPageRequest {
  readonly uid: string;
  readonly analyticsUid: string;
  readonly statuses: readonly string[];
  /** `uid` and `recipient` of the last row seen. */
  readonly cursor: readonly [string, string] | undefined;
  readonly limit: number;
}

const RANK = `array_position(ARRAY[${STATUSES.map((status) => `'${status}'`).join(',')}]`;

/** Keeps statuses in the database of the devices, for all recipients or for a share of them. */
export class Statuses {
  readonly #db: Database;
  readonly #config: StatusConfig;

  constructor(db: Database, config: StatusConfig) {
    this.#db = db;
    this.#config = config;
  }

  /** Whether anything is kept. */
  get on(): boolean {
    return this.#config.mode !== 'off';
  }

  /** The share of recipients that is kept, 0 to 1. */
  get sampleRate(): number {
    const { mode, sample_rate: rate } = this.#config;
    return mode === 'full' ? 1 : mode === 'sampled' ? rate : 0;
  }

  /** Records what became of a push at some recipients, in one statement. */
  async record(
    push: { readonly uid: string; readonly analyticsUid: string },
    provider: string,
    records: readonly StatusRecord[],
  ): Promise<void> {
    const kept = this.on ? records.filter(({ recipient }) => this.#isSampled(push.uid, recipient)) : [];
    if (kept.length === 0) return;
    await this.#db.query(
      `INSERT INTO carillon_push_statuses AS s
         (uid, analytics_uid, provider, recipient, status, code, reason, message_id, attempts)
       SELECT $1, $2, $3, x.* FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[]) AS x
       ON CONFLICT (uid, recipient) DO UPDATE SET
         status = CASE WHEN ${RANK}, excluded.status) >= ${RANK}, s.status) THEN excluded.status ELSE s.status END,
         provider = excluded.provider, code = excluded.code, reason = excluded.reason,
         message_id = excluded.message_id, attempts = excluded.attempts, updated_at = now()`,
      [
        push.uid,
        push.analyticsUid,
        provider,
        kept.map(({ recipient }) => recipient),
        kept.map(({ status }) => status),
        kept.map(({ code = '' }) => code),
        kept.map(({ reason = '' }) => reason.slice(0, 1_000)),
        kept.map(({ messageId = '' }) => messageId),
        kept.map(({ attempts = 0 }) => attempts),
      ],
    );
  }

  /** What an app saw of a push. A report that is faster than the send's own record is kept under its analytics uid. */
  async report(
    analyticsUid: string,
    deviceId: string,
    provider: string,
    status: 'delivered' | 'interacted',
    messageId: string,
  ): Promise<void> {
    if (!this.on) return;
    const column = `${status}_at`;
    const set = `status = CASE WHEN s.status = 'interacted' THEN s.status ELSE '${status}' END,
      ${column} = coalesce(s.${column}, now()), updated_at = now(),
      message_id = CASE WHEN $4 = '' THEN s.message_id ELSE $4 END`;
    const updated = await this.#db.query(
      `UPDATE carillon_push_statuses s SET ${set}
       WHERE ${ofAnalyticsUid('$1', 'recipient = $2')} AND provider = $3 RETURNING uid`,
      [analyticsUid, deviceId, provider, messageId],
    );
    if (updated.length > 0 || !this.#isSampled(analyticsUid, deviceId)) return;
    await this.#db.query(
      `INSERT INTO carillon_push_statuses AS s (uid, analytics_uid, recipient, provider, message_id, status, ${column})
       VALUES ($1, $1, $2, $3, $4, '${status}', now()) ON CONFLICT (uid, recipient) DO UPDATE SET ${set}`,
      [analyticsUid, deviceId, provider, messageId],
    );
  }

  /** How many recipients have each status, whatever `statuses` and the page say. */
  async counts(
    request: Pick<StatusPageRequest, 'uid' | 'analyticsUid'>,
  ): Promise<Partial<Record<Status, number>>> {
    const params = new Params();
    const rows = await this.#db.query<{ status: Status; n: number }>(
      `SELECT status, count(*) AS n FROM carillon_push_statuses WHERE ${ofPush(request, params)} GROUP BY status`,
      params.values,
    );
    return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
  }

  /** One page of recipients, in the order of `uid` and `recipient`. */
  async page(request: StatusPageRequest): Promise<{ rows: StatusRow[]; more: boolean }> {
    const params = new Params();
    const conditions = [ofPush(request, params)];
    if (request.statuses.length) conditions.push(`status = ANY(${params.add(request.statuses)}::text[])`);
    if (request.cursor) {
      const [uid, recipient] = request.cursor;
      conditions.push(`(uid, recipient) > (${params.add(uid)}, ${params.add(recipient)})`);
    }
    const seconds = (column: string) => `coalesce(extract(epoch FROM ${column})::int8, 0) AS ${column}`;
    const rows = await this.#db.query<StatusRow>(
      `SELECT uid, recipient, provider, status, code, reason, message_id, attempts,
              ${seconds('updated_at')}, ${seconds('delivered_at')}, ${seconds('interacted_at')}
       FROM carillon_push_statuses WHERE ${conditions.join(' AND ')}
       ORDER BY uid, recipient LIMIT ${params.add(request.limit + 1)}`,
      params.values,
    );
    const more = rows.length > request.limit;
    if (more) rows.pop();
    return { rows, more };
  }

  async purge(): Promise<void> {
    await this.#db.query(
      `DELETE FROM carillon_push_statuses WHERE updated_at < now() - $1::float8 * interval '1 millisecond'`,
      [this.#config.retention],
    );
  }

  /** The same recipient of a push is in the sample or not, whoever asks. */
  #isSampled(uid: string, recipient: string): boolean {
    if (this.sampleRate >= 1) return true;
    const hash = createHash('sha256').update(uid).update('\0').update(recipient).digest();
    return hash.readUInt32BE() / 2 ** 32 < this.sampleRate;
  }
}

function ofPush(
  { uid, analyticsUid }: Pick<StatusPageRequest, 'uid' | 'analyticsUid'>,
  params: Params,
): string {
  const conditions = ['true'];
  if (uid) conditions.push(`uid = ${params.add(uid)}`);
  if (analyticsUid) conditions.push(ofAnalyticsUid(params.add(analyticsUid)));
  return conditions.join(' AND ');
}

/** Two conditions for two indexes: a push without an analytics uid of its own has its uid there, and no entry in the second. */
function ofAnalyticsUid(uid: string, rest = 'true'): string {
  return `(uid = ${uid} AND analytics_uid = ${uid} AND ${rest} OR analytics_uid <> uid AND analytics_uid = ${uid} AND ${rest})`;
}
