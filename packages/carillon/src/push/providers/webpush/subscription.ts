import { ApiError, badRequest } from '../../../errors.ts';
import type { Target } from '../provider.ts';
import { decodeBase64 } from './base64.ts';
import { isCurvePoint, type SubscriptionKeys } from './encryption.ts';
import type { EndpointRules } from './endpoint-rules.ts';

const MAX_SUBSCRIPTION_LENGTH = 4096;

/**
 * Reads a `PushSubscription` as JSON text: `{"endpoint", "keys": {"p256dh", "auth"}}`; other members are ignored but for
 * `applicationServerKey`, the VAPID public key that it was made for, which the client adds. Keys are given back as
 * unpadded base64url, so that one subscription has one form.
 *
 * @throws ApiError 107 naming `field` and the member
 */
export function parseSubscription(token: string, field: string, rules: EndpointRules): Target {
  const subscription = parseObject(token, field);
  const { endpoint, keys, applicationServerKey } = subscription;
  if (typeof endpoint !== 'string' || endpoint === '') throw badRequest(`${field}.endpoint`, 'must be a URL');
  const verdict = rules(endpoint);
  if (typeof verdict === 'string') throw badRequest(`${field}.endpoint`, verdict);
  if (typeof keys !== 'object' || keys === null) {
    throw badRequest(`${field}.keys`, 'must be an object with p256dh and auth');
  }
  const { p256dh, auth } = readKeys(keys as { p256dh?: unknown; auth?: unknown }, `${field}.keys`);
  if (!isCurvePoint(p256dh)) throw badRequest(`${field}.keys.p256dh`, 'is not a point of the curve P-256');
  const vapid = readApplicationServerKey(applicationServerKey, `${field}.applicationServerKey`);
  return {
    token: endpoint,
    keys: {
      p256dh: p256dh.toString('base64url'),
      auth: auth.toString('base64url'),
      ...(vapid && { vapid }),
    },
  };
}

function readApplicationServerKey(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  const bytes = typeof value === 'string' ? decodeBase64(value) : undefined;
  if (bytes?.length !== 65 || bytes[0] !== 0x04) {
    throw badRequest(field, 'must be base64url of 65 bytes, the first of them 0x04, or absent');
  }
  return bytes.toString('base64url');
}

/**
 * Decodes a subscription's keys and checks their sizes. Whether `p256dh` lies on the curve shows when it is used.
 * @throws ApiError 107 naming `field` and the member
 */
export function readKeys(keys: { p256dh?: unknown; auth?: unknown }, field: string): SubscriptionKeys {
  const p256dh = typeof keys.p256dh === 'string' ? decodeBase64(keys.p256dh) : undefined;
  if (p256dh?.length !== 65 || p256dh[0] !== 0x04) {
    throw badRequest(`${field}.p256dh`, 'must be base64url of 65 bytes, the first of them 0x04');
  }
  const auth = typeof keys.auth === 'string' ? decodeBase64(keys.auth) : undefined;
  if (auth?.length !== 16) throw badRequest(`${field}.auth`, 'must be base64url of 16 bytes');
  return { p256dh, auth };
}

function parseObject(token: string, field: string): Record<string, unknown> {
  const expected = 'must be a PushSubscription as JSON text';
  if (token.length > MAX_SUBSCRIPTION_LENGTH) {
    throw badRequest(
      field,
      `${expected} of at most ${MAX_SUBSCRIPTION_LENGTH} characters, got ${token.length}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(token);
  } catch (cause) {
    throw new ApiError('badRequest', `${field}: ${expected}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest(field, expected);
  return value as Record<string, unknown>;
}
