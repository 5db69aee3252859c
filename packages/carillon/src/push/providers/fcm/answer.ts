import { type HttpResponse, headerOf } from '../http/response-reader.ts';
import { parseRetryAfter } from '../http/retry-after.ts';
import { isObject, parseObject } from '../message-fields.ts';
import { reasonWords } from '../reason-words.ts';
import { type Answer, MEND_MS, PASSING_STATUSES, type Verdict } from '../verdict.ts';

/** FCM's own wish for a second attempt after an internal error. */
const INTERNAL_WAIT_MS = 10_000;
/** What the page of a 502 asks for. */
const GATEWAY_WAIT_MS = 30_000;
/** A device or topic that gets too much; others go on. */
const ADDRESS_QUOTA_WAIT_MS = 60_000;

const TYPE_PREFIX = 'type.googleapis.com/';
const BAD_TOKEN_WORDS =
  /registration token is not a valid FCM registration token|invalid registration token/i;
/** The members of a message that hold the address of a device. */
const TOKEN_FIELDS = new Set(['message.token', 'message.fid']);

/** What of an error decides; details come in any order, or not at all. */
interface FcmFault {
  readonly status: string;
  readonly message: string;
  /** FCM's own, e.g. `UNREGISTERED`. */
  readonly errorCode: string;
  /** Google's gateways', e.g. `ACCESS_TOKEN_EXPIRED`. */
  readonly infoReason: string;
  /** Fields that a BadRequest names. */
  readonly fields: readonly string[];
  /** Subjects and descriptions of a QuotaFailure. */
  readonly quotas: readonly string[];
  /** Of RetryInfo, e.g. `30s`. */
  readonly retryDelay: string;
}

/**
 * Reads FCM's answer to one message (`vendors` 1.4).
 *
 * @param now milliseconds since 1970, for a `Retry-After` with a date
 * @param address what no words may repeat
 */
export function judge(response: HttpResponse, now: number, address: string): Verdict {
  const { status } = response;
  if (status >= 200 && status < 300) return { outcome: accepted(response) };
  const fault = readFault(response.text);
  const retryAfterMs = parseRetryAfter(headerOf(response, 'retry-after') ?? retryDelayOf(fault), now);
  const words = wordsOf(status, fault, address);
  const answer = (kind: Answer['kind'], code: string, wait = retryAfterMs): Answer => ({
    kind,
    code,
    httpStatus: status,
    reason: words,
    ...(kind === 'retry' && wait !== undefined ? { retryAfterMs: wait } : {}),
  });
  const mend = (code: string, advice: string): Verdict => ({
    outcome: { ...answer('retry', code, MEND_MS), reason: `${words}; ${advice}` },
    effect: 'credential',
  });

  switch (fault.errorCode) {
    case 'UNREGISTERED':
      return { outcome: answer('gone', 'unregistered') };
    case 'SENDER_ID_MISMATCH':
      return { outcome: answer('gone', 'sender_id_mismatch'), effect: 'doubtful' };
    case 'THIRD_PARTY_AUTH_ERROR':
    case 'APNS_AUTH_ERROR':
      // Android's devices are none the worse for it, so the gate stays open.
      return {
        outcome: {
          ...answer('retry', 'third_party_auth_error', MEND_MS),
          isHeld: true,
          reason: `${words}; the APNs key or web push certificate in the Firebase project has to be mended`,
        },
      };
    case 'QUOTA_EXCEEDED':
      return quotaVerdict(fault, answer, retryAfterMs);
    case 'UNSPECIFIED_ERROR':
      return { outcome: answer('retry', 'unspecified_error') };
  }
  switch (status) {
    case 400:
      return isBadToken(fault)
        ? { outcome: answer('gone', 'invalid_token'), effect: 'doubtful' }
        : { outcome: answer('failed', 'invalid_argument') };
    case 401:
      return {
        outcome: {
          ...answer('retry', 'unauthorized'),
          reason: `${words}; the service account's key may have been deleted`,
        },
        effect: 'refresh',
      };
    case 403:
      return mend(
        'permission_denied',
        'the service account needs cloudmessaging.messages.create, and the project the API fcm.googleapis.com',
      );
    case 404:
      // No device is removed for it: a mistyped project would empty the table.
      return mend('not_found', 'is project_id of the service account, or the endpoint, the wrong one?');
    case 429:
      return quotaVerdict(fault, answer, retryAfterMs);
    case 500:
      return { outcome: answer('retry', 'internal_error', Math.max(retryAfterMs ?? 0, INTERNAL_WAIT_MS)) };
    case 502:
      return { outcome: answer('retry', 'bad_gateway', retryAfterMs ?? GATEWAY_WAIT_MS) };
    case 503:
      return { outcome: answer('retry', 'unavailable') };
    case 504:
      return { outcome: answer('retry', 'gateway_timeout') };
  }
  if (status >= 300 && status < 400) {
    return mend('redirect', 'credentials are not sent after it: is the endpoint the right one?');
  }
  const passes = status >= 500 || PASSING_STATUSES.has(status);
  return { outcome: answer(passes ? 'retry' : 'failed', `http_${status}`) };
}

/** The usual answer, whose id can be had without parsing it. */
const NAME = /^\s*\{\s*"name":\s*"[^"\\]*\/([^"\\/]+)"\s*\}\s*$/;

/** `name` is `projects/<project>/messages/<id>`. */
function accepted({ status, text }: HttpResponse): Answer {
  const id = NAME.exec(text)?.[1] ?? idOf(parseObject(text)?.name);
  return id
    ? { kind: 'accepted', code: 'accepted', httpStatus: status, id }
    : { kind: 'accepted', code: 'accepted', httpStatus: status };
}

function idOf(name: unknown): string {
  return typeof name === 'string' ? name.slice(name.lastIndexOf('/') + 1) : '';
}

/** A device or a topic may have a quota of its own; whose it is, stands in the violations. */
function quotaVerdict(
  fault: FcmFault,
  answer: (kind: Answer['kind'], code: string, wait?: number) => Answer,
  retryAfterMs: number | undefined,
): Verdict {
  const isOfAddress =
    fault.quotas.length > 0 && fault.quotas.every((text) => /\b(device|token|topic)/i.test(text));
  return isOfAddress
    ? { outcome: answer('retry', 'address_quota_exceeded', retryAfterMs ?? ADDRESS_QUOTA_WAIT_MS) }
    : { outcome: answer('retry', 'quota_exceeded'), effect: 'quota' };
}

/** The token is at fault only when nothing else of the message is. */
function isBadToken({ fields, message, errorCode }: FcmFault): boolean {
  if (fields.length > 0) return fields.every((field) => TOKEN_FIELDS.has(field));
  return errorCode === 'INVALID_ARGUMENT' && BAD_TOKEN_WORDS.test(message);
}

function readFault(text: string): FcmFault {
  const error = parseObject(text)?.error;
  const { status, message, details } = isObject(error) ? error : {};
  const all = (Array.isArray(details) ? details : []).filter(isObject);
  const ofType = (type: string) => all.filter((detail) => detail['@type'] === `${TYPE_PREFIX}${type}`);
  const firstText = (type: string, member: string) => {
    const value = ofType(type).find((detail) => typeof detail[member] === 'string')?.[member];
    return typeof value === 'string' ? value : '';
  };
  const listed = (type: string, list: string) =>
    ofType(type).flatMap((detail) => (Array.isArray(detail[list]) ? detail[list] : []).filter(isObject));
  return {
    status: typeof status === 'string' ? status : '',
    message: typeof message === 'string' ? message : text.startsWith('<') ? '' : text,
    errorCode: firstText('google.firebase.fcm.v1.FcmError', 'errorCode'),
    infoReason: firstText('google.rpc.ErrorInfo', 'reason'),
    fields: listed('google.rpc.BadRequest', 'fieldViolations').map(({ field }) => String(field)),
    quotas: listed('google.rpc.QuotaFailure', 'violations').map(
      ({ subject, description }) => `${subject ?? ''} ${description ?? ''}`,
    ),
    retryDelay: firstText('google.rpc.RetryInfo', 'retryDelay'),
  };
}

/** `30s` or `1.5s` as a Retry-After has it. */
function retryDelayOf({ retryDelay }: FcmFault): string | undefined {
  const seconds = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(retryDelay)?.[1];
  return seconds === undefined ? undefined : String(Math.ceil(Number(seconds)));
}

/** FCM's own words, with the most telling of its codes. */
function wordsOf(status: number, fault: FcmFault, address: string): string {
  const { errorCode, infoReason, message, fields } = fault;
  const code = errorCode || infoReason || fault.status;
  const where = fields.length > 0 ? ` (${fields.join(', ')})` : '';
  const words = reasonWords(`${message}${where}`, [address]);
  return `FCM answered ${status}${code ? ` ${reasonWords(code, [address])}` : ''}${words ? `: ${words}` : ''}`;
}
