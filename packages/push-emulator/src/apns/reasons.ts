import type { Answer } from '../service.ts';

/** APNs' words for what is wrong, and the status that each comes with (vendors.md 2.4). */
const REASONS = {
  BadCollapseId: 400,
  BadDeviceToken: 400,
  BadExpirationDate: 400,
  BadMessageId: 400,
  BadPriority: 400,
  BadTopic: 400,
  DeviceTokenNotForTopic: 400,
  DuplicateHeaders: 400,
  IdleTimeout: 400,
  InvalidPushType: 400,
  MissingDeviceToken: 400,
  MissingTopic: 400,
  PayloadEmpty: 400,
  TopicDisallowed: 400,
  BadCertificate: 403,
  BadCertificateEnvironment: 403,
  BadEnvironmentKeyIdInToken: 403,
  BadEnvironmentKeyInToken: 403,
  ExpiredProviderToken: 403,
  Forbidden: 403,
  InvalidProviderToken: 403,
  MissingProviderToken: 403,
  UnrelatedKeyIdInToken: 403,
  BadPath: 404,
  MethodNotAllowed: 405,
  ExpiredToken: 410,
  Unregistered: 410,
  PayloadTooLarge: 413,
  TooManyProviderTokenUpdates: 429,
  TooManyRequests: 429,
  InternalServerError: 500,
  ServiceUnavailable: 503,
  Shutdown: 503,
} as const;

export type Reason = keyof typeof REASONS;

const BY_STATUS: Readonly<Record<number, Reason>> = {
  400: 'BadDeviceToken',
  403: 'InvalidProviderToken',
  404: 'BadPath',
  405: 'MethodNotAllowed',
  410: 'Unregistered',
  413: 'PayloadTooLarge',
  429: 'TooManyRequests',
  500: 'InternalServerError',
  503: 'ServiceUnavailable',
};

/** @param timestamp milliseconds since the epoch; comes with 410 alone */
export function reasonAnswer(reason: Reason, id: string | undefined, timestamp = Date.now()): Answer {
  const status = REASONS[reason];
  return {
    status,
    headers: { 'content-type': 'application/json', ...(id !== undefined && { 'apns-id': id }) },
    body: JSON.stringify({ reason, ...(status === 410 && { timestamp }) }),
  };
}

/** An error on request, by reason or by status alone. */
export function apnsErrorAnswer(
  { reason, status }: { reason?: string; status?: number },
  id: string | undefined,
  now: number,
): Answer | undefined {
  const word = (reason ?? BY_STATUS[status ?? 0]) as Reason | undefined;
  if (word === undefined) return status === undefined ? undefined : { status };
  if (!Object.hasOwn(REASONS, word)) return undefined;
  const answer = reasonAnswer(word, id, now);
  return status === undefined ? answer : { ...answer, status };
}
