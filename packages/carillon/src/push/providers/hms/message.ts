import { badRequest } from '../../../errors.ts';
import { checkDepth, isObject, objectAt, refuseAddresses, show, stringsAt } from '../message-fields.ts';
import type { ProviderMessage } from '../provider.ts';

/** Bytes of the message as JSON, without its tokens (`vendors` 3.2). */
const MAX_BYTES = 4_096;
const FIFTEEN_DAYS_SECONDS = 1_296_000;
const ADDRESSES = ['token', 'topic', 'condition'];
const CLICK_ACTIONS: readonly unknown[] = [1, 2, 3];

/**
 * Checks `notification.hms`: `{message}`, with Huawei's message but for its address (`vendors` 3.2). What Huawei refuses
 * in any case is refused here, by name; the rest is Huawei's to judge.
 *
 * @throws ApiError 107 naming the field
 */
export function checkMessage(block: unknown, field: string): ProviderMessage {
  if (!isObject(block)) throw badRequest(field, 'must be an object with message');
  const { message } = block;
  const at = `${field}.message`;
  if (!isObject(message)) throw badRequest(at, 'must be an object: a message of Push Kit without its token');
  refuseAddresses(message, ADDRESSES, at);
  if (message.data !== undefined && typeof message.data !== 'string') {
    throw badRequest(
      `${at}.data`,
      `must be one string (a map goes in as JSON text), got ${show(message.data)}`,
    );
  }
  objectAt(message, 'notification', at);
  checkAndroid(objectAt(message, 'android', at), `${at}.android`);
  for (const platform of ['webpush', 'apns']) {
    const own = objectAt(message, platform, at);
    if (own) stringsAt(own, 'headers', `${at}.${platform}`);
  }
  checkDepth(message, at);
  const bytes = messageBytes(message);
  if (bytes > MAX_BYTES) throw badRequest(at, `must be at most ${MAX_BYTES} bytes of JSON, got ${bytes}`);
  return block as ProviderMessage;
}

/**
 * Gives the message what lets a second copy replace the first, where it has a part for a platform and nothing of its own
 * in it: a second copy comes when an answer was lost. `android.collapse_key` is left alone: it has 101 values, so that
 * messages with nothing in common would replace each other. A message that is full stays as it is.
 *
 * @param key 1 to 32 characters of base64url, which fit all three
 */
export function withCollapseKey(block: ProviderMessage, key: string): ProviderMessage {
  const message = block.message as Record<string, unknown>;
  const { android, webpush, apns } = message as Record<string, Record<string, unknown> | undefined>;
  const marked: Record<string, unknown> = { ...message };
  if (isObject(android?.notification)) {
    marked.android = { ...android, notification: { tag: key, ...android.notification } };
  }
  if (webpush) marked.webpush = { ...webpush, headers: { topic: key, ...(webpush.headers as object) } };
  if (apns) marked.apns = { ...apns, headers: { 'apns-collapse-id': key, ...(apns.headers as object) } };
  return messageBytes(marked) > MAX_BYTES ? block : { ...block, message: marked };
}

function messageBytes(message: Record<string, unknown>): number {
  return Buffer.byteLength(JSON.stringify(message));
}

function checkAndroid(android: Record<string, unknown> | undefined, field: string): void {
  if (!android) return;
  const { collapse_key: collapseKey, ttl, urgency, data } = android;
  const isKey = Number.isInteger(collapseKey) && Number(collapseKey) >= -1 && Number(collapseKey) <= 100;
  if (collapseKey !== undefined && !isKey) {
    throw badRequest(
      `${field}.collapse_key`,
      `must be a whole number from -1 (keep all) to 100, got ${show(collapseKey)}`,
    );
  }
  const seconds = /^(\d{1,9})s?$/.exec(String(ttl))?.[1];
  if (ttl !== undefined && !(typeof ttl === 'string' && Number(seconds) <= FIFTEEN_DAYS_SECONDS)) {
    throw badRequest(
      `${field}.ttl`,
      `must be seconds as text, "1s" to "${FIFTEEN_DAYS_SECONDS}s", got ${show(ttl)}`,
    );
  }
  if (urgency !== undefined && urgency !== 'HIGH' && urgency !== 'NORMAL') {
    throw badRequest(`${field}.urgency`, `must be HIGH or NORMAL, got ${show(urgency)}`);
  }
  if (data !== undefined && typeof data !== 'string') {
    throw badRequest(`${field}.data`, `must be one string (a map goes in as JSON text), got ${show(data)}`);
  }
  const notification = objectAt(android, 'notification', field);
  if (!notification) return;
  const action = objectAt(notification, 'click_action', `${field}.notification`);
  if (!action || !CLICK_ACTIONS.includes(action.type)) {
    throw badRequest(
      `${field}.notification.click_action`,
      `must be an object with type 1 (intent or action), 2 (url) or 3 (open the app), got ${show(action)}`,
    );
  }
}
