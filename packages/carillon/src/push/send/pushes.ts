import { createHash } from 'node:crypto';
import { badRequest } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { type DeviceFilter, isEmptyFilter } from '../devices/device-filter.ts';
import { laneOf, type ProviderLane } from '../providers/lanes.ts';
import type { ProviderMessage, ProviderName, ProviderRules, Target } from '../providers/provider.ts';
import { rulesFor } from '../providers/rules.ts';
import type { NewJob, PushQueue } from '../queue/queue.ts';
import type { LimitStrategy, Rendering, StoredPush } from '../queue/stored-push.ts';
import { compileMessage } from './rendering.ts';

/** Who is addressed: a filter, raw tokens of a provider, or a native topic or condition of one. */
export type PushRecipient =
  | { readonly kind: 'filter'; readonly filter: DeviceFilter }
  | { readonly kind: 'tokens'; readonly provider: ProviderName; readonly tokens: readonly string[] }
  | { readonly kind: 'topic' | 'condition'; readonly provider: ProviderName; readonly value: string };

/** A push as it was asked for, types checked. Times are unix seconds; 0 means not given. */
export interface PushRequest {
  readonly uid: string;
  readonly analyticsUid: string;
  /** The member of `recipient` that was given. */
  readonly recipientType: string;
  /** Whose devices and credentials; empty for the default app's. */
  readonly app: string;
  readonly recipient: PushRecipient;
  /** Provider → its block. */
  readonly messages: ReadonlyMap<string, unknown>;
  readonly sendAt: number;
  readonly expireAt: number;
  /** Set when messages are rendered for each device. */
  readonly rendering?: Rendering;
  readonly limits?: LimitStrategy;
}

export interface PushesOptions {
  readonly queue: PushQueue;
  readonly rules: ReadonlyMap<ProviderLane, ProviderRules>;
  /** Targets in one `send` job. */
  readonly batchSize: (lane: ProviderLane) => number;
  readonly logger: Logger;
  /** Told of pushes with a time to come. */
  readonly onScheduled?: (recipientType: string) => void;
}

/** What fits into a Topic (RFC 8030, section 5.4) and an apns-collapse-id alike. */
const COLLAPSE_KEY_LENGTH = 32;

/** Accepts pushes: checks them, and stores each with its first jobs in one step. */
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
    const messages = this.#checkMessages(request);
    const { recipient, sendAt, expireAt, app } = request;
    if (request.rendering) checkTemplates(messages);
    if (recipient.kind === 'filter' && isEmptyFilter(recipient.filter)) {
      throw badRequest(
        'recipient.filter',
        'must narrow by ids, users, topics, providers or platforms: empty would mean everybody',
      );
    }
    if (recipient.kind !== 'filter' && (request.rendering || request.limits)) {
      throw badRequest(
        request.limits ? 'limit_strategy' : 'use_templating, localizations',
        'must come with recipient.filter: raw tokens and native topics have no device to look at',
      );
    }
    if (sendAt && expireAt && sendAt > expireAt) {
      throw badRequest('send_at', `must not be after expire_at (${expireAt}), got ${sendAt}`);
    }
    const delayMs = Math.max(0, sendAt * 1000 - Date.now());
    const push: StoredPush = {
      uid: request.uid,
      analyticsUid: request.analyticsUid || request.uid,
      recipientType: request.recipientType,
      ...(app && { app }),
      filter: recipient.kind === 'filter' ? recipient.filter : null,
      messages,
      acceptedAt: Date.now(),
      sendAt: sendAt * 1000,
      expireAt: expireAt * 1000,
      rendering: request.rendering ?? null,
      limits: request.limits ?? null,
    };
    const jobs: NewJob[] =
      recipient.kind === 'filter'
        ? [{ lane: 'fanout', uid: request.uid, payload: { cursor: '' }, delayMs }]
        : this.#rawJobs(request, recipient, messages, delayMs);
    const accepted = await this.#options.queue.accept(push, jobs);
    const { logger, onScheduled } = this.#options;
    const { uid, recipientType } = request;
    if (!accepted) {
      logger.info({ uid }, 'push known already: nothing is sent again');
      return;
    }
    logger.info(
      { uid, recipient: recipientType, ...(delayMs > 0 && { sendAt: push.sendAt }) },
      'push accepted',
    );
    if (delayMs > 0) onScheduled?.(recipientType);
  }

  #checkMessages({ messages: blocks, uid, app, recipient }: PushRequest): Record<string, ProviderMessage> {
    const messages: Record<string, ProviderMessage> = {};
    const key = createHash('sha256').update(uid).digest('base64url').slice(0, COLLAPSE_KEY_LENGTH);
    for (const [provider, block] of blocks) {
      const field = `notification.${provider}`;
      const rules = rulesFor(this.#options.rules, provider, app, field);
      const message = rules.checkMessage(
        block,
        field,
        recipient.kind === 'filter' ? 'tokens' : recipient.kind,
      );
      messages[provider] = rules.withCollapseKey?.(message, key) ?? message;
    }
    if (blocks.size === 0) throw badRequest('notification', 'must have a block for at least one provider');
    return messages;
  }

  #rawJobs(
    { uid, recipientType, app }: PushRequest,
    recipient: Exclude<PushRecipient, { kind: 'filter' }>,
    messages: Record<string, ProviderMessage>,
    delayMs: number,
  ): NewJob[] {
    const { provider } = recipient;
    const field = `recipient.${recipientType}`;
    const rules = rulesFor(this.#options.rules, provider, app, field);
    if (!messages[provider]) throw badRequest(field, `needs a block notification.${provider}`);
    const targets = targetsOf(recipient, rules, field);
    const lane = laneOf(provider, app);
    return chunks(targets, this.#options.batchSize(lane)).map((batch) => ({
      lane,
      uid,
      payload: { targets: batch },
      delayMs,
    }));
  }
}

function targetsOf(
  recipient: Exclude<PushRecipient, { kind: 'filter' }>,
  rules: ProviderRules,
  field: string,
): Target[] {
  if (recipient.kind === 'tokens') {
    // The same token twice would ring twice.
    const targets = recipient.tokens.map((token, index) => rules.parseToken(token, `${field}[${index}]`));
    return [...new Map(targets.map((target) => [target.token, target])).values()];
  }
  if (!rules.parseNative) throw badRequest(field, `provider ${rules.name} has no native topics`);
  return [rules.parseNative(recipient.kind, recipient.value, field)];
}

/** @throws ApiError 107 naming the member whose template cannot be read */
function checkTemplates(messages: Record<string, ProviderMessage>): void {
  for (const [provider, message] of Object.entries(messages)) {
    try {
      compileMessage(message);
    } catch (error) {
      throw badRequest(`notification.${provider}`, (error as Error).message);
    }
  }
}

/** Splits a list into lists of at most `size`. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let start = 0; start < list.length; start += size) result.push(list.slice(start, start + size));
  return result;
}
