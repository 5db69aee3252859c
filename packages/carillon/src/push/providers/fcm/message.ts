import { badRequest } from '../../../errors.ts';
import {
  checkDepth,
  isObject,
  keyAndValueBytes,
  objectAt,
  refuseAddresses,
  show,
  stringsAt,
} from '../message-fields.ts';
import type { ProviderMessage, RecipientKind } from '../provider.ts';

/** Bytes of keys and values (`vendors` 1.5). */
const MAX_BYTES = 4_096;
const MAX_TOPIC_BYTES = 2_048;
const FOUR_WEEKS_SECONDS = 2_419_200;
const ADDRESSES = ['token', 'fid', 'topic', 'condition'];
const RESERVED_KEYS = ['from', 'message_type'];
const RESERVED_PREFIXES = ['google.', 'gcm.notification.'];
/** Tokens are of these characters, which JSON and UTF-8 leave as they are. */
const PLAIN_ADDRESS = /^[\w:.-]+$/;
const TTL = /^\d{1,10}(\.\d{1,9})?s$/;

/**
 * Checks `notification.fcm`: `{message}`, with FCM's `Message` but for its address (`vendors` 1.3). What FCM refuses in
 * any case is refused here, by name; the rest is FCM's to judge.
 *
 * @throws ApiError 107 naming the field
 */
export function checkMessage(block: unknown, field: string, kind: RecipientKind = 'tokens'): ProviderMessage {
  if (!isObject(block)) throw badRequest(field, 'must be an object with message');
  const { message } = block;
  const at = `${field}.message`;
  if (!isObject(message)) throw badRequest(at, 'must be an object: a Message of FCM without its token');
  refuseAddresses(message, ADDRESSES, at);
  checkData(message, at);
  const notification = objectAt(message, 'notification', at);
  for (const name of ['title', 'body', 'image']) {
    const value = notification?.[name];
    if (value !== undefined && typeof value !== 'string') {
      throw badRequest(`${at}.notification.${name}`, `must be a string, got ${show(value)}`);
    }
  }
  checkAndroid(objectAt(message, 'android', at), `${at}.android`);
  checkApns(objectAt(message, 'apns', at), `${at}.apns`);
  checkWebPush(objectAt(message, 'webpush', at), `${at}.webpush`);
  checkDepth(message, at);
  const bytes = payloadBytes(message);
  const limit = kind === 'tokens' ? MAX_BYTES : MAX_TOPIC_BYTES;
  if (bytes > limit) {
    const whom = kind === 'tokens' ? '' : ' to a topic or condition';
    throw badRequest(at, `must be at most ${limit} bytes of keys and values${whom}, got ${bytes}`);
  }
  return block as ProviderMessage;
}

/**
 * Gives the message what lets a second copy replace the first on each platform, where it has nothing of its own: a
 * second copy comes when an answer was lost. `android.collapse_key` is left alone: FCM keeps four of them for a device
 * that is away and drops messages beyond, and it throttles collapsible messages; the tag of a shown notification does
 * neither. A message that is full stays as it is.
 *
 * @param key 1 to 32 characters of base64url, which fit all three
 */
export function withCollapseKey(block: ProviderMessage, key: string): ProviderMessage {
  const message = block.message as Record<string, unknown>;
  const { notification, android, apns, webpush } = message as Record<
    string,
    Record<string, unknown> | undefined
  >;
  const marked: Record<string, unknown> = { ...message };
  if (notification || android?.notification) {
    // In a data message the tag would make a notification out of it.
    const own = android?.notification as object | undefined;
    marked.android = { ...android, notification: { tag: key, ...own } };
  }
  // A live activity is updated again and again, by rules of its own.
  if (!apns?.live_activity_token && !apns?.liveActivityToken) {
    marked.apns = { ...apns, headers: withHeader(apns?.headers, 'apns-collapse-id', key) };
  }
  marked.webpush = { ...webpush, headers: withHeader(webpush?.headers, 'Topic', key) };
  const before = payloadBytes(message);
  const after = payloadBytes(marked);
  const isFull = [MAX_BYTES, MAX_TOPIC_BYTES].some((limit) => before <= limit && after > limit);
  return isFull ? block : { ...block, message: marked };
}

/** How a body begins, by the member that holds the address. */
const BEGINNINGS = {
  token: '{"message":{"token":"',
  fid: '{"message":{"fid":"',
  topic: '{"message":{"topic":"',
  condition: '{"message":{"condition":"',
};
export type AddressMember = keyof typeof BEGINNINGS;

/** A message of which only the address is missing, encoded once. */
export class EncodedMessage {
  /** What follows the address and its quote: a comma and the message's members, or the closing braces alone. */
  readonly #rest: string;

  constructor(block: ProviderMessage) {
    const members = jsonInAscii(block.message);
    this.#rest = members === '{}' ? '"}}' : `",${members.slice(1)}}`;
  }

  /** The body of the request for one address, of ASCII alone. */
  bodyFor(member: AddressMember, address: string): string {
    // In its quotes.
    const text = PLAIN_ADDRESS.test(address) ? address : jsonInAscii(address).slice(1, -1);
    return BEGINNINGS[member] + text + this.#rest;
  }
}

/** Texts that are put together from ASCII and sent as they are cost less than bytes put together in a buffer. */
function jsonInAscii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * What FCM counts, as far as it is told: the notification and the data that the largest platform gets. A platform's own
 * notification goes over the common one, and its own data takes the place of the common.
 */
function payloadBytes({ notification, data, android, apns, webpush }: Record<string, unknown>): number {
  const platforms: readonly Part[] = [{}, (android ?? {}) as Part, (webpush ?? {}) as Part];
  const { payload } = (apns ?? {}) as { payload?: unknown };
  const sizes = platforms.map((own) =>
    keyAndValueBytes([{ ...(notification as object), ...own.notification }, own.data ?? data ?? {}]),
  );
  return Math.max(...sizes, keyAndValueBytes([notification ?? {}, data ?? {}, payload ?? {}]));
}

interface Part {
  readonly notification?: object;
  readonly data?: object;
}

function checkData(parent: Record<string, unknown>, field: string): void {
  for (const key of Object.keys(stringsAt(parent, 'data', field) ?? {})) {
    if (RESERVED_KEYS.includes(key) || RESERVED_PREFIXES.some((prefix) => key.startsWith(prefix))) {
      throw badRequest(
        `${field}.data.${key}`,
        `is a key that FCM keeps for itself: ${RESERVED_KEYS.join(', ')} and what begins with ${RESERVED_PREFIXES.join(' or ')}`,
      );
    }
  }
}

function checkAndroid(android: Record<string, unknown> | undefined, field: string): void {
  if (!android) return;
  checkData(android, field);
  objectAt(android, 'notification', field);
  const { ttl, priority } = android;
  if (
    ttl !== undefined &&
    !(typeof ttl === 'string' && TTL.test(ttl) && Number.parseFloat(ttl) <= FOUR_WEEKS_SECONDS)
  ) {
    throw badRequest(
      `${field}.ttl`,
      `must be seconds with an s, "0s" to "${FOUR_WEEKS_SECONDS}s", got ${show(ttl)}`,
    );
  }
  if (priority !== undefined && !/^(normal|high)$/i.test(String(priority))) {
    throw badRequest(`${field}.priority`, `must be NORMAL or HIGH, got ${show(priority)}`);
  }
}

function checkApns(apns: Record<string, unknown> | undefined, field: string): void {
  if (!apns) return;
  stringsAt(apns, 'headers', field);
  objectAt(apns, 'payload', field);
}

function checkWebPush(webpush: Record<string, unknown> | undefined, field: string): void {
  if (!webpush) return;
  stringsAt(webpush, 'headers', field);
  checkData(webpush, field);
  objectAt(webpush, 'notification', field);
}

function withHeader(headers: unknown, name: string, value: string): Record<string, unknown> {
  const own = (headers ?? {}) as Record<string, unknown>;
  const isGiven = Object.keys(own).some((given) => given.toLowerCase() === name.toLowerCase());
  return isGiven ? own : { ...own, [name]: value };
}
