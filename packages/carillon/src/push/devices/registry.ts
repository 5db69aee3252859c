import { ApiError, badRequest } from '../../errors.ts';
import type { Database } from '../../storage/database.ts';
import type { ProviderLane } from '../providers/lanes.ts';
import type { ProviderName, ProviderRules } from '../providers/provider.ts';
import { rulesFor } from '../providers/rules.ts';
import { type DeviceFilter, filterCondition, Params } from './device-filter.ts';
import { newDeviceId, providerOfDeviceId } from './device-id.ts';
import { changeDeviceTopics, type TopicOp } from './topic-changes.ts';

const UNIQUE_VIOLATION = '23505';
/** Devices removed by one statement of the sweep: its locks and its memory do not grow with what it finds. */
const SWEEP_SIZE = 5_000;

/** What `device_register` declares: the whole state of a device. Absent members are empty. */
export interface DeviceState {
  readonly id?: string;
  readonly provider: string;
  /** Whose credentials its token belongs to; empty for the default app's. */
  readonly app?: string;
  readonly token: string;
  readonly platform: string;
  readonly user?: string;
  readonly timezone?: string;
  readonly locale?: string;
  readonly topics?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
}

/** A device as `device_list` shows it; zero values are left out when it is written. */
export interface Device {
  readonly id: string;
  readonly provider: ProviderName;
  readonly app: string;
  readonly token: string;
  readonly platform: string;
  readonly user: string;
  readonly timezone: string;
  readonly locale: string;
  /** Unix seconds. */
  readonly created_at: number;
  readonly updated_at: number;
  readonly topics?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly webpush_keys?: { readonly p256dh: string; readonly auth: string } | null;
}

export interface DevicePageRequest {
  readonly filter: DeviceFilter;
  readonly cursor: string;
  readonly limit: number;
  readonly totalCount: boolean;
  readonly topics: boolean;
  readonly meta: boolean;
  readonly webpushKeys: boolean;
}

export interface DeviceUpdate {
  readonly user?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly timezone?: string;
  readonly locale?: string;
  readonly topics?: { readonly op: TopicOp; readonly topics: readonly string[] };
}

/** Selects devices to change: OR inside a list, AND between the two. */
export interface DeviceSelection {
  readonly ids: readonly string[];
  readonly users: readonly string[];
}

/** The devices of the push notification API (push-api, sections 2 and 3). */
export class DeviceRegistry {
  readonly #db: Database;
  readonly #rules: ReadonlyMap<ProviderLane, ProviderRules>;

  constructor(db: Database, rules: ReadonlyMap<ProviderLane, ProviderRules>) {
    this.#db = db;
    this.#rules = rules;
  }

  /**
   * Declares a device's whole state and gives back its id. Topics become: those given, those of its user, and the
   * global ones; all others are dropped.
   * @throws ApiError 107 for a bad field, 113 when two first registrations of one token collide
   */
  async register(state: DeviceState): Promise<string> {
    const { app = '' } = state;
    const rules = rulesFor(this.#rules, state.provider, app, 'provider');
    const { token, keys } = rules.parseToken(state.token, 'token');
    if (state.id && providerOfDeviceId(state.id) !== rules.name) {
      throw badRequest(
        'id',
        `must be a device id of provider ${rules.name} as device_register gave it, got "${state.id.slice(0, 64)}"`,
      );
    }
    try {
      // One round trip. With BEGIN, lock, upsert, topics and COMMIT each by itself it is five, and on two cores 1,280 new devices a
      // second over PostgreSQL instead of 2,216; in batches of 100, 1,934 instead of 3,329 (`npm run bench -- registry --quick`).
      const [row] = await this.#db.query<{ id: string }>(
        `SELECT carillon_register_device($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb, $11, $12::text[]) AS id`,
        [
          state.id ?? '',
          newDeviceId(rules.name),
          rules.name,
          token,
          state.platform,
          state.user ?? '',
          state.timezone ?? '',
          state.locale ?? '',
          JSON.stringify(state.meta ?? {}),
          keys ? JSON.stringify(keys) : null,
          app,
          state.topics ?? [],
        ],
      );
      return (row as { id: string }).id;
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      throw new ApiError('conflict', 'the same token is being registered by another call: try again', {
        cause: error,
      });
    }
  }

  async list(
    request: DevicePageRequest,
  ): Promise<{ items: Device[]; nextCursor: string; totalCount: number | undefined }> {
    const params = new Params();
    const after = params.add(request.cursor);
    const condition = filterCondition(request.filter, params, after);
    const topics = `(SELECT coalesce(jsonb_agg(t.topic ORDER BY t.topic), '[]') FROM carillon_device_topics t WHERE t.device_id = d.id)`;
    const items = await this.#db.query<Device>(
      `SELECT ${DEVICE_COLUMNS}
              ${request.topics ? `, ${topics} AS topics` : ''}
              ${request.meta ? ', d.meta' : ''} ${request.webpushKeys ? ', d.webpush_keys' : ''}
       FROM carillon_devices d
       WHERE ${condition} AND d.id > ${after} ORDER BY d.id LIMIT ${params.add(request.limit + 1)}`,
      params.values,
    );
    const more = items.length > request.limit;
    if (more) items.pop();
    const totalCount = request.totalCount ? await this.#count(request.filter) : undefined;
    return { items, nextCursor: more ? (items.at(-1)?.id ?? '') : '', totalCount };
  }

  async #count(filter: DeviceFilter): Promise<number | undefined> {
    const params = new Params();
    const condition = filterCondition(filter, params);
    const [row] = await this.#db.query<{ n: number }>(
      `SELECT count(*) AS n FROM carillon_devices d WHERE ${condition}`,
      params.values,
    );
    return row?.n;
  }

  /** Unknown ids are ignored. */
  async remove(selection: DeviceSelection): Promise<void> {
    const params = new Params();
    const condition = filterCondition(selection, params);
    await this.#db.query(`DELETE FROM carillon_devices d WHERE ${condition}`, params.values);
  }

  /** Removes devices that have neither registered nor been updated for so long; gives back how many. */
  async removeInactive(intervalMs: number): Promise<number> {
    for (let removed = 0; ; ) {
      const [row] = await this.#db.query<{ n: number }>(
        `WITH gone AS (
           DELETE FROM carillon_devices WHERE id = ANY(ARRAY(
             SELECT id FROM carillon_devices WHERE updated_at < now() - $1::float8 * interval '1 millisecond'
             ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )) AND updated_at < now() - $1::float8 * interval '1 millisecond' RETURNING id
         ) SELECT count(*) AS n FROM gone`,
        [intervalMs, SWEEP_SIZE],
      );
      const n = row?.n ?? 0;
      removed += n;
      if (n < SWEEP_SIZE) return removed;
    }
  }

  /** Changes what is given and leaves the rest; no match is no error. Topics of a changed user are not re-synced. */
  async update(selection: DeviceSelection, update: DeviceUpdate): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const params = new Params();
      const condition = filterCondition(selection, params);
      const sets = ['updated_at = now()'];
      if (update.user !== undefined) sets.push(`user_id = ${params.add(update.user)}`);
      if (update.meta !== undefined) sets.push(`meta = ${params.add(JSON.stringify(update.meta))}::jsonb`);
      if (update.timezone !== undefined) sets.push(`timezone = ${params.add(update.timezone)}`);
      if (update.locale !== undefined) sets.push(`locale = ${params.add(update.locale)}`);
      const rows = await tx.query<{ id: string }>(
        `UPDATE carillon_devices d SET ${sets.join(', ')} WHERE ${condition} RETURNING d.id`,
        params.values,
      );
      if (update.topics) {
        await changeDeviceTopics(
          tx,
          rows.map((row) => row.id),
          update.topics.op,
          update.topics.topics,
        );
      }
    });
  }
}

/** A `Device` from `carillon_devices AS d`, without what is asked for separately. */
export const DEVICE_COLUMNS = `d.id, d.provider, d.app, d.token, d.platform, d.user_id AS user, d.timezone, d.locale,
  extract(epoch FROM d.created_at)::int8 AS created_at, extract(epoch FROM d.updated_at)::int8 AS updated_at`;
