/**
 * What every push provider is: a pure step from a batch of targets and one message to one outcome per target.
 * Providers know nothing of the queue or the database, and run in sender threads, never beside sockets.
 */

export type ProviderName = 'fcm' | 'hms' | 'apns' | 'webpush';
export const PROVIDER_NAMES: readonly ProviderName[] = ['fcm', 'hms', 'apns', 'webpush'];

/**
 * One address to send to. For `webpush` the token is the endpoint and `keys` are the subscription's; `vapid` is the public
 * key it was made for, where that is known. A native topic or condition is one target, too: `kind` says so, and `token`
 * has its text.
 */
export interface Target {
  readonly token: string;
  readonly kind?: 'topic' | 'condition';
  readonly keys?: { readonly p256dh: string; readonly auth: string; readonly vapid?: string };
}

/** The provider's own block of `notification`, e.g. `{headers, payload}` for webpush. Plain data, cloneable. */
export type ProviderMessage = Readonly<Record<string, unknown>>;

/**
 * What became of one target.
 * - `accepted`: the service took it (`id` is its name for the message, if it gave one)
 * - `gone`: the address is dead, remove the device
 * - `retry`: may pass later, not before `retryAfterMs` when given
 * - `failed`: will never pass, keep the device
 */
export interface Outcome {
  readonly index: number;
  readonly kind: 'accepted' | 'gone' | 'retry' | 'failed';
  /** A short stable word for metrics and status, e.g. `unregistered`, `too_many_requests`, `timeout`. */
  readonly code: string;
  /** Words for a person; tokens shortened, no secrets. */
  readonly reason?: string;
  readonly httpStatus?: number;
  readonly retryAfterMs?: number;
  /**
   * With `retry`: it is nothing of this target's or message's, but what the operator has to mend or a quota
   * that all share. It counts as no attempt.
   */
  readonly isHeld?: true;
  readonly id?: string;
  /** With `gone`: since when the address is dead, in Unix milliseconds, where the service says so. */
  readonly goneSince?: number;
}

/** A batch's targets, in order. A sender thread's are made one by one, as they are asked for. */
export interface Targets extends Iterable<Target> {
  readonly length: number;
}

export interface SendBatch {
  readonly targets: Targets;
  readonly message: ProviderMessage;
}

export interface Provider {
  readonly name: ProviderName;
  /**
   * Sends to every target and reports each exactly once, as soon as it is known. Resolves when all are reported;
   * never rejects for what a service or the network did: that is an outcome.
   */
  send(batch: SendBatch, report: (outcome: Outcome) => void): Promise<void>;
  /** Closes connections; sends under way end as `retry`. */
  close(): Promise<void>;
}

/** Whom a message is for: single addresses, or a native topic or condition. */
export type RecipientKind = 'tokens' | 'topic' | 'condition';

/** What the API checks before it queues: the provider's own rules for addresses and messages. */
export interface ProviderRules {
  readonly name: ProviderName;
  /** Parses the `token` of `device_register` or a raw token; throws `ApiError` 107 naming `field`. */
  parseToken(token: string, field: string): Target;
  /**
   * Gives a message that has none a collapse key of its own, so that an attempt whose outcome is unknown and the next one
   * do not show twice. Absent where the provider knows no harmless one.
   */
  withCollapseKey?(message: ProviderMessage, key: string): ProviderMessage;
  /** Parses a native topic or condition; absent where the provider has none. Throws `ApiError` 107 naming `field`. */
  parseNative?(kind: 'topic' | 'condition', value: string, field: string): Target;
  /**
   * Checks size and shape of the block in `notification`; throws `ApiError` 107 naming the field.
   * @param kind what it is sent to: some providers allow topics less than tokens
   */
  checkMessage(message: unknown, field: string, kind?: 'tokens' | 'topic' | 'condition'): ProviderMessage;
}
