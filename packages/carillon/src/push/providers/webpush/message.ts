import { badRequest } from '../../../errors.ts';
import type { ProviderMessage } from '../provider.ts';
import { MAX_PLAINTEXT_BYTES, type Padded, pad } from './encryption.ts';

const FOUR_WEEKS_SECONDS = 2_419_200;
const URGENCIES = ['very-low', 'low', 'normal', 'high'];
const TOPIC = /^[A-Za-z0-9_-]{1,32}$/;

/** A message made ready once for a whole batch. */
export interface PreparedMessage {
  readonly payload: Padded;
  /** Lower-case names, ready to send. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Reads `notification.webpush`: `{headers?, payload}`. Known headers are `TTL` (seconds, default and ceiling four
 * weeks), `Urgency` and `Topic` (RFC 8030 §5.2 to 5.4); others are dropped.
 *
 * @throws ApiError 107 naming the field
 */
export function prepareMessage(message: unknown, field: string): PreparedMessage {
  if (!isObject(message)) throw badRequest(field, 'must be an object with headers and payload');
  const { payload } = message;
  if (!isObject(payload)) throw badRequest(`${field}.payload`, 'must be a JSON object');
  const plaintext = Buffer.from(JSON.stringify(payload));
  if (plaintext.length > MAX_PLAINTEXT_BYTES) {
    throw badRequest(
      `${field}.payload`,
      `must be at most ${MAX_PLAINTEXT_BYTES} bytes of JSON, got ${plaintext.length}`,
    );
  }
  return { payload: pad(plaintext), headers: prepareHeaders(message.headers ?? {}, `${field}.headers`) };
}

/** The API's check: the same as at send, with nothing kept. */
export function checkMessage(message: unknown, field: string): ProviderMessage {
  prepareMessage(message, field);
  return message as ProviderMessage;
}

/** A message without a Topic gets this one (RFC 8030, section 5.4): 1 to 32 characters of base64url. */
export function withTopic(message: ProviderMessage, topic: string): ProviderMessage {
  const headers = (message.headers ?? {}) as Record<string, unknown>;
  if (Object.keys(headers).some((name) => name.toLowerCase() === 'topic')) return message;
  return { ...message, headers: { ...headers, Topic: topic } };
}

function prepareHeaders(given: unknown, field: string): Record<string, string> {
  if (!isObject(given)) throw badRequest(field, 'must be an object of strings');
  const headers: Record<string, string> = { ttl: String(FOUR_WEEKS_SECONDS) };
  for (const [name, value] of Object.entries(given)) {
    const at = `${field}.${name}`;
    switch (name.toLowerCase()) {
      case 'ttl':
        headers.ttl = checkTtl(value, at);
        break;
      case 'urgency':
        if (!URGENCIES.includes(value as string)) {
          throw badRequest(at, `must be one of ${URGENCIES.join(', ')}, got ${show(value)}`);
        }
        headers.urgency = value as string;
        break;
      case 'topic':
        if (typeof value !== 'string' || !TOPIC.test(value)) {
          throw badRequest(at, `must be 1 to 32 characters of A-Z a-z 0-9 - _, got ${show(value)}`);
        }
        headers.topic = value;
        break;
    }
  }
  return headers;
}

function checkTtl(value: unknown, field: string): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text)) {
    throw badRequest(field, `must be a number of seconds, 0 or more, got ${show(value)}`);
  }
  return String(Math.min(Number(text), FOUR_WEEKS_SECONDS));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
