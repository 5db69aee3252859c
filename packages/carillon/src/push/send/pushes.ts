import { ApiError, badRequest } from '../../errors.ts';
import type { Database } from '../../storage/database.ts';
import { type DeviceFilter, isEmptyFilter } from '../devices/device-filter.ts';
import type { ProviderMessage, ProviderName, ProviderRules, Target } from '../providers/provider.ts';
import type { NewJob, PushQueue } from '../queue/queue.ts';
import { compileMessage, type Rendering } from './rendering.ts';

/** A push as it was asked for, types checked. Times are unix seconds; 0 means not given. */
export interface PushRequest {
  readonly uid: string;
  readonly recipient: { readonly filter?: DeviceFilter; readonly webpush_tokens?: readonly string[] };
  /** Provider → its block. */
  readonly messages: ReadonlyMap<string, unknown>;
  readonly sendAt: number;
  readonly expireAt: number;
  /** Set when messages are rendered for each device. */
  readonly rendering?: Rendering;
}

/** What workers need to know of a push, the same for all of its jobs. */
export interface StoredPush {
  readonly uid: string;
  readonly filter: DeviceFilter | null;
  readonly messages: Readonly<Partial<Record<ProviderName, ProviderMessage>>>;
  readonly expire_at: Date | null;
  readonly rendering: Rendering | null;
  readonly cancelled: boolean;
}

export interface PushesOptions {
  readonly db: Database;
  readonly queue: PushQueue;
  readonly rules: ReadonlyMap<string, ProviderRules>;
  /** Targets in one `send` job, per provider. */
  readonly batchSize: (provider: ProviderName) => number;
}

/** How long a push's `uid` is remembered after it was accepted: a repeat within that time is not sent again. */
export const UID_RETENTION_HOURS = 24;
const DEAD_LETTER_RETENTION_DAYS = 7;

/** Accepts pushes: checks them, and stores each with its first jobs in one transaction. */
export class Pushes {
  readonly #options: PushesOptions;

  constructor(options: PushesOptions) {
    this.#options = options;
  }

  /**
   * Accepts a push durably. A `uid` that was accepted before is answered the same and sends nothing.
   * @throws ApiError 107 naming the field
   */
  async accept(request: PushRequest): Promise<void> {
    const messages = this.#checkMessages(request.messages);
    const { filter, webpush_tokens: tokens } = request.recipient;
    if (request.rendering) checkTemplates(messages, filter !== undefined);
    if (filter && isEmptyFilter(filter)) {
      throw badRequest(
        'recipient.filter',
        'must narrow by ids, users, topics, providers or platforms: empty would mean everybody',
      );
    }
    if (request.sendAt && request.expireAt && request.sendAt > request.expireAt) {
      throw badRequest('send_at', `must not be after expire_at (${request.expireAt}), got ${request.sendAt}`);
    }
    const delayMs = Math.max(0, request.sendAt * 1000 - Date.now());
    const jobs: NewJob[] = filter
      ? [{ lane: 'fanout', uid: request.uid, payload: { cursor: '' }, delayMs }]
      : this.#rawJobs(request.uid, 'webpush', tokens ?? [], messages, delayMs);
    const { db, queue } = this.#options;
    await db.transaction(async (tx) => {
      const inserted = await tx.query(
        `INSERT INTO carillon_pushes (uid, filter, messages, expire_at, rendering)
         VALUES ($1, $2::jsonb, $3::jsonb, to_timestamp(nullif($4::float8, 0)), $5::jsonb)
         ON CONFLICT (uid) DO NOTHING RETURNING uid`,
        [
          request.uid,
          filter ? JSON.stringify(filter) : null,
          JSON.stringify(messages),
          request.expireAt,
          request.rendering ? JSON.stringify(request.rendering) : null,
        ],
      );
      if (inserted.length > 0) await queue.add(tx, jobs);
    });
  }

  /** Stops what is still undelivered of a push; unknown and finished ones are no error. */
  async cancel(uid: string): Promise<void> {
    await this.#options.db.transaction(async (tx) => {
      await tx.query('UPDATE carillon_pushes SET cancelled = true WHERE uid = $1', [uid]);
      await tx.query('DELETE FROM carillon_push_jobs WHERE uid = $1 AND locked_by IS NULL', [uid]);
    });
  }

  /** Forgets pushes and dead letters whose time is over. */
  async purge(): Promise<void> {
    const { db } = this.#options;
    await db.query(
      `DELETE FROM carillon_pushes p WHERE p.created_at < now() - interval '${UID_RETENTION_HOURS} hours'
       AND NOT EXISTS (SELECT FROM carillon_push_jobs j WHERE j.uid = p.uid)`,
    );
    await db.query(
      `DELETE FROM carillon_push_dead_letters WHERE created_at < now() - interval '${DEAD_LETTER_RETENTION_DAYS} days'`,
    );
  }

  #checkMessages(blocks: ReadonlyMap<string, unknown>): Record<string, ProviderMessage> {
    const messages: Record<string, ProviderMessage> = {};
    for (const [provider, block] of blocks) {
      const field = `notification.${provider}`;
      const rules = this.#options.rules.get(provider);
      if (!rules) {
        const enabled = [...this.#options.rules.keys()].join(', ');
        throw badRequest(field, `provider ${provider} is not enabled here; enabled: ${enabled || 'none'}`);
      }
      messages[provider] = rules.checkMessage(block, field);
    }
    if (blocks.size === 0) throw badRequest('notification', 'must have a block for at least one provider');
    return messages;
  }

  #rawJobs(
    uid: string,
    provider: ProviderName,
    tokens: readonly string[],
    messages: Record<string, ProviderMessage>,
    delayMs: number,
  ): NewJob[] {
    const rules = this.#options.rules.get(provider);
    if (!rules || !messages[provider]) {
      throw badRequest(`recipient.${provider}_tokens`, `needs a block notification.${provider}`);
    }
    const targets: Target[] = tokens.map((token, index) =>
      rules.parseToken(token, `recipient.${provider}_tokens[${index}]`),
    );
    return chunks(targets, this.#options.batchSize(provider)).map((batch) => ({
      lane: provider,
      uid,
      payload: { targets: batch },
      delayMs,
    }));
  }
}

/** @throws ApiError 107 naming the member whose template cannot be read */
function checkTemplates(messages: Record<string, ProviderMessage>, hasDevices: boolean): void {
  if (!hasDevices) {
    throw badRequest(
      'use_templating, localizations',
      'need recipient.filter: raw tokens have no device to read',
    );
  }
  for (const [provider, message] of Object.entries(messages)) {
    try {
      compileMessage(message);
    } catch (error) {
      throw badRequest(`notification.${provider}`, (error as Error).message);
    }
  }
}

/** Refuses what later versions will do, rather than ignore it: a push without its limit would be worse than none. */
export function notYet(field: string): ApiError {
  return new ApiError('notAvailable', `${field} is not supported in this version`);
}

/** Splits a list into lists of at most `size`. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
  return result;
}
