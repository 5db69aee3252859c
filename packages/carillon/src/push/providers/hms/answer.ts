import { type HttpResponse, headerOf } from '../http/response-reader.ts';
import { parseRetryAfter } from '../http/retry-after.ts';
import { isObject, parseObject } from '../message-fields.ts';
import { reasonWords } from '../reason-words.ts';
import { type Answer, MEND_MS, PASSING_STATUSES, type Verdict } from '../verdict.ts';

/** Topics have a queue of a hundred tasks at Huawei's. */
const TOPIC_QUEUE_WAIT_MS = 60_000;

/** An answer to one request, which may carry a thousand tokens. */
export interface HmsVerdict extends Verdict {
  /** With a part refused: the tokens that are, while `outcome` is of the others. */
  readonly illegal?: {
    readonly tokens: ReadonlySet<string>;
    readonly outcome: Answer;
    /** None was accepted beside them, so that the fault may be ours. */
    readonly isDoubtful: boolean;
  };
}

/** What a code of Huawei's means (`vendors` 3.3). */
interface Meaning {
  readonly code: string;
  readonly kind: 'drop' | 'retry' | 'refresh' | 'credential' | 'mend';
  readonly advice?: string;
  readonly waitMs?: number;
}

const PARAMETER: Meaning = { code: 'invalid_argument', kind: 'drop' };
const MEANINGS: Readonly<Record<string, Meaning>> = {
  80100001: PARAMETER,
  80100002: PARAMETER,
  80100003: PARAMETER,
  80100004: PARAMETER,
  80100013: { code: 'invalid_collapse_key', kind: 'drop' },
  80100016: { code: 'sensitive_content', kind: 'drop' },
  80100017: { code: 'topic_queue_full', kind: 'retry', waitMs: TOPIC_QUEUE_WAIT_MS },
  80100018: { code: 'review_refused', kind: 'drop' },
  80200001: {
    code: 'unauthorized',
    kind: 'refresh',
    advice: 'do app_id and app_secret belong to the same app?',
  },
  80200003: { code: 'token_expired', kind: 'refresh' },
  80200005: { code: 'token_expired', kind: 'refresh' },
  80300002: {
    code: 'permission_denied',
    kind: 'credential',
    advice: 'Push Kit has to be turned on for the app in AppGallery Connect, and app_id has to be its own',
  },
  80300008: { code: 'payload_too_large', kind: 'drop' },
  80300010: { code: 'invalid_token_count', kind: 'drop' },
  // These two depend on what the message asks for: others go on.
  80300011: {
    code: 'high_priority_denied',
    kind: 'mend',
    advice: 'apply for the right to urgency HIGH, or leave it out',
  },
  80300013: {
    code: 'receipt_denied',
    kind: 'mend',
    advice: 'the receipt address has to be set in the console',
  },
  80300036: { code: 'permission_denied', kind: 'credential' },
  80300037: { code: 'penalized', kind: 'credential' },
  80300029: { code: 'test_quota_exceeded', kind: 'retry', waitMs: MEND_MS },
  80300030: { code: 'test_quota_exceeded', kind: 'drop' },
  80600003: { code: 'oauth_unavailable', kind: 'retry' },
  81000001: { code: 'internal_error', kind: 'retry' },
};

const SUCCESS = '80000000';
const PARTLY = '80100000';
const ALL_INVALID = '80300007';
/** Of v3, which tells why a token is refused: these two are the token's own fault. */
const TOKENS_OWN_FAULTS = ['tokenFormatError', 'tokenPlatformNotSupport'];

/** Of an answer's text that words are taken from. */
const MAX_READ_WORDS = 2_000;

const STATUS_CODES: Readonly<Record<number, string>> = {
  400: 'invalid_argument',
  500: 'internal_error',
  502: 'bad_gateway',
  504: 'gateway_timeout',
};

/**
 * Reads Huawei's answer to one request (`vendors` 3.3). Which code comes with which HTTP status is not told, so the code
 * counts wherever there is one.
 *
 * @param now milliseconds since 1970, for a `Retry-After` with a date
 * @param tokens what no words may repeat
 */
export function judge(response: HttpResponse, now: number, tokens: readonly string[]): HmsVerdict {
  const { status, text } = response;
  const body = parseObject(text) ?? {};
  const code = typeof body.code === 'string' || typeof body.code === 'number' ? String(body.code) : '';
  const msg = typeof body.msg === 'string' ? body.msg : '';
  if (code === PARTLY || (code === SUCCESS && status >= 200 && status < 300)) {
    const id = typeof body.requestId === 'string' ? body.requestId : '';
    const accepted: Answer = {
      kind: 'accepted',
      code: 'accepted',
      httpStatus: status,
      ...(id ? { id } : {}),
    };
    return code === PARTLY ? partly(msg, accepted) : { outcome: accepted };
  }
  const words = reasonWords((code ? msg : text).slice(0, MAX_READ_WORDS), tokens);
  const answer = answers(response, `${code} ${words}`.trim(), now);
  if (code === ALL_INVALID) return allInvalid(msg, answer);
  const meaning = Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined;
  return meaning ? byMeaning(meaning, answer) : byStatus(status, code, answer);
}

type MakeAnswer = (
  kind: Answer['kind'],
  code: string,
  extra?: { advice?: string; waitMs?: number },
) => Answer;

function answers(response: HttpResponse, words: string, now: number): MakeAnswer {
  const { status } = response;
  const retryAfterMs = parseRetryAfter(headerOf(response, 'retry-after'), now);
  const reason = `HMS answered ${status}${words ? ` ${words}` : ''}`;
  return (kind, code, { advice, waitMs } = {}) => {
    const wait = retryAfterMs ?? waitMs;
    return {
      kind,
      code,
      httpStatus: status,
      reason: advice ? `${reason}; ${advice}` : reason,
      ...(kind === 'retry' && wait !== undefined ? { retryAfterMs: wait } : {}),
    };
  };
}

/** `msg` is JSON text: `{"success":3,"failure":1,"illegal_tokens":["xxx"]}`. */
function partly(msg: string, accepted: Answer): HmsVerdict {
  const result = parseObject(msg);
  const { illegal_tokens: listed, illegalTokens: byReason, success } = result ?? {};
  const lists = isObject(byReason) ? TOKENS_OWN_FAULTS.map((reason) => byReason[reason]) : [listed];
  const tokens = lists.flatMap((list) => (Array.isArray(list) ? list : []));
  return {
    outcome: accepted,
    illegal: {
      tokens: new Set(tokens.filter((token) => typeof token === 'string')),
      outcome: {
        kind: 'gone',
        code: 'invalid_token',
        httpStatus: accepted.httpStatus,
        reason: `HMS answered ${accepted.httpStatus} ${PARTLY}: the token is illegal`,
      },
      isDoubtful: !(Number(success) > 0),
    },
  };
}

function allInvalid(msg: string, answer: MakeAnswer): HmsVerdict {
  const byReason = parseObject(msg)?.illegalTokens;
  const isOurFault =
    isObject(byReason) && Object.keys(byReason).some((reason) => !TOKENS_OWN_FAULTS.includes(reason));
  if (!isOurFault) return { outcome: answer('gone', 'invalid_token'), effect: 'doubtful' };
  const advice = 'the app has no right to these tokens: is app_id the right one?';
  return {
    outcome: answer('retry', 'permission_denied', { advice, waitMs: MEND_MS }),
    effect: 'credential',
  };
}

function byMeaning({ code, kind, advice, waitMs }: Meaning, answer: MakeAnswer): HmsVerdict {
  const extra = { ...(advice ? { advice } : {}), ...(waitMs ? { waitMs } : {}) };
  switch (kind) {
    case 'drop':
      return { outcome: answer('failed', code, extra) };
    case 'retry':
      return { outcome: answer('retry', code, extra) };
    case 'refresh':
      return { outcome: answer('retry', code, extra), effect: 'refresh' };
    case 'mend':
      return { outcome: answer('retry', code, { ...extra, waitMs: MEND_MS }) };
    case 'credential':
      return { outcome: answer('retry', code, { ...extra, waitMs: MEND_MS }), effect: 'credential' };
  }
}

function byStatus(status: number, code: string, answer: MakeAnswer): HmsVerdict {
  if (status === 401) return { outcome: answer('retry', 'unauthorized'), effect: 'refresh' };
  if (status === 503 || status === 429) return { outcome: answer('retry', 'flow_control'), effect: 'quota' };
  if (status === 404 || (status >= 300 && status < 400)) {
    const advice = 'are push_endpoint and app_id the right ones?';
    const word = status === 404 ? 'not_found' : 'redirect';
    return { outcome: answer('retry', word, { advice, waitMs: MEND_MS }), effect: 'credential' };
  }
  if (status >= 200 && status < 300 && code === '') {
    // Whether the message went out stands in the code alone.
    return { outcome: answer('retry', 'unreadable_answer') };
  }
  const passes = status >= 500 || PASSING_STATUSES.has(status);
  const word = STATUS_CODES[status] ?? (status < 300 ? `hms_${code.slice(0, 16)}` : `http_${status}`);
  return { outcome: answer(passes ? 'retry' : 'failed', word) };
}
