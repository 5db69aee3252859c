import { badRequest } from '../../../errors.ts';
import { isObject, show } from '../message-fields.ts';
import type { ProviderMessage } from '../provider.ts';
import { derivePushType, PUSH_TYPES, type PushType, topicOf } from './push-type.ts';

/** `vendors` 2.2. */
const MAX_PAYLOAD_BYTES = 4096;
const MAX_VOIP_PAYLOAD_BYTES = 5120;
const MAX_COLLAPSE_ID_BYTES = 64;
const MAX_TOPIC_LENGTH = 255;
const PRIORITIES = ['10', '5', '1'];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TOPIC = /^[\w.-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTER = /[\x00-\x1f\x7f]/;

type Given = Readonly<Record<string, unknown>>;

/** What a message is checked against. */
export interface MessageOptions {
  readonly bundleId: string;
  readonly authType: 'token' | 'cert';
}

/** A message made ready once for a whole batch: of a request only the path and the provider token are missing. */
export interface PreparedMessage {
  readonly body: Buffer;
  /** Lower-case names, ready to send. */
  readonly headers: Readonly<Record<string, string>>;
  readonly topic: string;
}

/**
 * Reads `notification.apns`: `{headers?, payload}`. Of the headers those of `vendors` 2.2 pass, others are dropped.
 * Added where they are missing: `apns-push-type` by the payload, `apns-topic` by the bundle id and the push type, and for
 * `background` the priority 5.
 *
 * There is no `apns-id` unless the message has one: APNs does not look for repetitions by it, and a batch shares its
 * headers. APNs makes one for each push and names it in its answer, which the outcome keeps.
 *
 * @throws ApiError 107 naming the field
 */
export function prepareMessage(message: unknown, field: string, options: MessageOptions): PreparedMessage {
  if (!isObject(message)) throw badRequest(field, 'must be an object with headers and payload');
  const { payload } = message;
  if (!isObject(payload)) throw badRequest(`${field}.payload`, 'must be a JSON object such as {"aps": {…}}');
  const given = readHeaders(message.headers ?? {}, `${field}.headers`);
  const type =
    (given['apns-push-type'] as PushType | undefined) ?? derivePushType(payload, given['apns-topic']);
  if (type === 'location' && options.authType === 'cert') {
    throw badRequest(`${field}.headers.apns-push-type`, 'location needs auth_type token');
  }
  const topic = given['apns-topic'] ?? topicOf(options.bundleId, type);
  if (topic === undefined) {
    throw badRequest(
      `${field}.headers.apns-topic`,
      `must be given with push type ${type}: the UID of its certificate`,
    );
  }
  const priority = given['apns-priority'] ?? (type === 'background' ? '5' : undefined);
  if (type === 'background' && priority !== '5') {
    throw badRequest(
      `${field}.headers.apns-priority`,
      `must be 5 with push type background, got ${priority}`,
    );
  }
  const body = Buffer.from(JSON.stringify(payload));
  const most = type === 'voip' ? MAX_VOIP_PAYLOAD_BYTES : MAX_PAYLOAD_BYTES;
  if (body.length > most) {
    throw badRequest(`${field}.payload`, `must be at most ${most} bytes of JSON, got ${body.length}`);
  }
  const headers = {
    ...given,
    'apns-topic': topic,
    'apns-push-type': type,
    ...(priority && { 'apns-priority': priority }),
    'content-length': String(body.length),
  };
  return { body, headers, topic };
}

/**
 * A message that shows something and has no `apns-collapse-id` gets this one: a push that arrives twice then shows once.
 * @param message as it was checked
 */
export function withCollapseId(message: ProviderMessage, id: string): ProviderMessage {
  const headers = (message.headers ?? {}) as Given;
  const named = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  if (named.has('apns-collapse-id')) return message;
  const type =
    named.get('apns-push-type') ??
    derivePushType(message.payload as Given, named.get('apns-topic') as string | undefined);
  return type === 'alert' ? { ...message, headers: { ...headers, 'apns-collapse-id': id } } : message;
}

function readHeaders(given: unknown, field: string): Record<string, string> {
  if (!isObject(given)) throw badRequest(field, 'must be an object of strings');
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const key = name.toLowerCase();
    const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
    if (read) headers[key] = read(value, `${field}.${name}`);
  }
  return headers;
}

/** The headers that pass. */
const READERS: Readonly<Record<string, (value: unknown, field: string) => string>> = {
  'apns-id'(value, field) {
    if (typeof value === 'string' && UUID.test(value)) return value;
    throw badRequest(field, `must be a UUID in lower case, got ${show(value)}`);
  },
  'apns-push-type'(value, field) {
    if (PUSH_TYPES.includes(value as PushType)) return value as string;
    throw badRequest(field, `must be one of ${PUSH_TYPES.join(', ')}, got ${show(value)}`);
  },
  'apns-topic'(value, field) {
    if (typeof value === 'string' && value.length <= MAX_TOPIC_LENGTH && TOPIC.test(value)) return value;
    throw badRequest(
      field,
      `must be a bundle id with its suffix such as com.example.app.voip, got ${show(value)}`,
    );
  },
  'apns-priority'(value, field) {
    const text = String(value);
    if (PRIORITIES.includes(text)) return text;
    throw badRequest(field, `must be one of ${PRIORITIES.join(', ')}, got ${show(value)}`);
  },
  'apns-expiration'(value, field) {
    const text = String(value);
    if (/^\d{1,10}$/.test(text)) return text;
    throw badRequest(field, `must be a time in Unix seconds, or 0 for one try only, got ${show(value)}`);
  },
  'apns-collapse-id'(value, field) {
    const bytes =
      typeof value === 'string' && !CONTROL_CHARACTER.test(value) ? Buffer.from(value) : undefined;
    if (!bytes || bytes.length === 0 || bytes.length > MAX_COLLAPSE_ID_BYTES) {
      throw badRequest(
        field,
        `must be 1 to ${MAX_COLLAPSE_ID_BYTES} bytes of text without control characters, got ${show(value)}`,
      );
    }
    // A header's characters are bytes.
    return bytes.toString('latin1');
  },
};
