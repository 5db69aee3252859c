import type { IncomingHttpHeaders } from 'node:http';
import type { ApnsDevice } from './devices.ts';
import type { Reason } from './reasons.ts';

/** What each push type adds to the bundle ID in `apns-topic` (vendors.md 2.2); undefined: its topic is no bundle ID. */
const TOPIC_SUFFIX: Readonly<Record<string, string | undefined>> = {
  alert: '',
  background: '',
  voip: '.voip',
  complication: '.complication',
  fileprovider: '.pushkit.fileprovider',
  location: '.location-query',
  liveactivity: '.push-type.liveactivity',
  widgets: '.push-type.widgets',
  controls: '.push-type.controls',
  pushtotalk: '.voip-ptt',
  mdm: undefined,
};
const SUFFIXES = Object.values(TOPIC_SUFFIX).filter((suffix) => suffix);
const HEADERS = [
  'apns-id',
  'apns-topic',
  'apns-push-type',
  'apns-priority',
  'apns-expiration',
  'apns-collapse-id',
];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAX_COLLAPSE_ID_BYTES = 64;
const MAX_BYTES = 4096;
const MAX_VOIP_BYTES = 5120;

/** Whether `apns-id` is there, and good for an answer to repeat. */
export function isMessageId(id: unknown): id is string {
  return typeof id === 'string' && UUID.test(id);
}

/** The first thing that is wrong with a push's headers. @param topic what `apns-topic` says or the certificate stands for */
export function wrongHeader(
  method: string,
  headers: IncomingHttpHeaders,
  topic: string | undefined,
  hasCertificate: boolean,
): Reason | undefined {
  const text = (name: string) => headers[name] as string | undefined;
  const id = text('apns-id');
  // Node joins the values of a header that comes twice.
  if (HEADERS.some((name) => text(name)?.includes(', '))) return 'DuplicateHeaders';
  if (id !== undefined && !isMessageId(id)) return 'BadMessageId';
  if (method !== 'POST') return 'MethodNotAllowed';
  if (topic === undefined || topic === '') return 'MissingTopic';
  if (!/^[A-Za-z0-9.-]{1,255}$/.test(topic)) return 'BadTopic';
  if (Buffer.byteLength(text('apns-collapse-id') ?? '') > MAX_COLLAPSE_ID_BYTES) return 'BadCollapseId';
  if (!/^\d{1,12}$/.test(text('apns-expiration') ?? '0')) return 'BadExpirationDate';
  const priority = text('apns-priority') ?? '10';
  if (!['10', '5', '1'].includes(priority)) return 'BadPriority';
  const type = text('apns-push-type');
  if (type === undefined) return undefined;
  if (!Object.hasOwn(TOPIC_SUFFIX, type)) return 'InvalidPushType';
  if (type === 'location' && hasCertificate) return 'InvalidPushType';
  if (type === 'background' && text('apns-priority') !== '5') return 'BadPriority';
  const suffix = TOPIC_SUFFIX[type];
  if (suffix === undefined) return undefined;
  return suffixOf(topic) === suffix ? undefined : 'BadTopic';
}

/** `com.example.chat.voip` → `com.example.chat`. */
export function bundleIdOf(topic: string): string {
  const suffix = suffixOf(topic);
  return suffix === '' ? topic : topic.slice(0, -suffix.length);
}

export function isForTopic(device: ApnsDevice, topic: string): boolean {
  return device.topic === topic || device.topic === bundleIdOf(topic);
}

export function wrongPayload(body: Buffer | undefined, pushType: unknown, topic: string): Reason | undefined {
  if (body?.length === 0) return 'PayloadEmpty';
  const limit = pushType === 'voip' || topic.endsWith('.voip') ? MAX_VOIP_BYTES : MAX_BYTES;
  return body === undefined || body.length > limit ? 'PayloadTooLarge' : undefined;
}

function suffixOf(topic: string): string {
  return SUFFIXES.find((suffix) => suffix && topic.endsWith(suffix)) ?? '';
}
