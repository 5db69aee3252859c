import { type HttpResponse, headerOf } from '../http/response-reader.ts';
import { parseRetryAfter } from '../http/retry-after.ts';
import type { Outcome } from '../provider.ts';
import { reasonWords } from '../reason-words.ts';
import { type Answer, MEND_MS, PASSING_STATUSES } from '../verdict.ts';

/**
 * What an answer asks for beyond its target:
 * - `refresh`: the provider token is expired: another one, on other connections
 * - `hold`: the connection saw too many provider tokens: another connection, no other token
 * - `reconnect`: the fault sticks to the connection
 * - `quota`: nothing more with this credential for now
 * - `credential`, `topic`: the operator has to mend something; until then nothing passes with it
 * - `doubtful`: a wrong environment or topic of ours would show in this, too
 */
export type Effect = 'refresh' | 'hold' | 'reconnect' | 'quota' | 'credential' | 'topic' | 'doubtful';

export interface ApnsVerdict {
  readonly outcome: Answer;
  readonly effect?: Effect | undefined;
}

/** What the words for a person speak of. */
export interface AnswerContext {
  /** Where the options are, e.g. `apns`. */
  readonly section: string;
  readonly topic: string;
  /** Hidden in what the service says. */
  readonly deviceToken: string;
  /** The effect because of which the target was sent again just now. */
  readonly tried: Effect | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

interface Rule {
  readonly kind: Outcome['kind'];
  /** Where it is not the reason in small letters. */
  readonly code?: string;
  readonly effect?: Effect;
  /** The effect when the same comes again after another try at once. */
  readonly again?: Effect;
  readonly advice?: (context: AnswerContext) => string;
}

/** APNs names no time to wait for; its advice for faults of its own is longer still, and the queue gets there by doubling. */
const WAIT_MS = 10_000;

const ours: Rule = { kind: 'failed' };
const options = ({ section }: AnswerContext, ...names: string[]): string =>
  names.map((name) => `push_notifications.${section}.${name}`).join(', ');
const aboutKey = (context: AnswerContext): string =>
  `check ${options(context, 'token_key_id', 'token_team_id', 'token_key_file')}: they must belong together`;
const aboutCertificate = (context: AnswerContext): string =>
  `check ${options(context, 'cert_p12_file', 'endpoint')}: the certificate must be valid and for that environment`;
const aboutTopic = (context: AnswerContext): string =>
  `the topic is ${context.topic}: check ${options(context, 'bundle_id')} and what the key or certificate may push to`;
const wrongEnvironment: Rule = {
  kind: 'retry',
  code: 'bad_environment_key_id_in_token',
  effect: 'credential',
  advice: (context) => `the key is not for the environment of ${options(context, 'endpoint')}`,
};

/** `vendors` 2.4, by the reason. */
const RULES: Readonly<Record<string, Rule>> = {
  BadCollapseId: ours,
  BadExpirationDate: ours,
  BadMessageId: ours,
  BadPriority: ours,
  InvalidPushType: ours,
  DuplicateHeaders: ours,
  PayloadEmpty: ours,
  MissingDeviceToken: ours,
  BadPath: ours,
  MethodNotAllowed: ours,
  PayloadTooLarge: ours,

  BadDeviceToken: { kind: 'gone', effect: 'doubtful' },
  DeviceTokenNotForTopic: { kind: 'gone', effect: 'doubtful' },
  Unregistered: { kind: 'gone' },
  ExpiredToken: { kind: 'gone' },

  BadTopic: { kind: 'retry', effect: 'topic', advice: aboutTopic },
  MissingTopic: { kind: 'retry', effect: 'topic', advice: aboutTopic },
  TopicDisallowed: { kind: 'retry', effect: 'topic', advice: aboutTopic },

  BadCertificate: { kind: 'retry', effect: 'credential', advice: aboutCertificate },
  BadCertificateEnvironment: { kind: 'retry', effect: 'credential', advice: aboutCertificate },
  InvalidProviderToken: { kind: 'retry', effect: 'credential', advice: aboutKey },
  MissingProviderToken: {
    kind: 'retry',
    effect: 'credential',
    advice: (context) => `the service knows no certificate of ours: check ${options(context, 'auth_type')}`,
  },
  Forbidden: { kind: 'retry', effect: 'credential', advice: aboutKey },
  BadEnvironmentKeyIdInToken: wrongEnvironment,
  /** What the service says; the other one is what the documents say. */
  BadEnvironmentKeyInToken: wrongEnvironment,
  UnrelatedKeyIdInToken: { kind: 'retry', effect: 'reconnect', again: 'credential', advice: aboutKey },
  ExpiredProviderToken: {
    kind: 'retry',
    effect: 'refresh',
    again: 'credential',
    advice: ({ now }) =>
      `the token was new: check the clock of this machine, it says ${new Date(now).toISOString()}`,
  },

  TooManyProviderTokenUpdates: { kind: 'retry', effect: 'hold', again: 'quota' },
  TooManyRequests: { kind: 'retry' },
  IdleTimeout: { kind: 'retry', effect: 'reconnect' },
  Shutdown: { kind: 'retry', effect: 'reconnect' },
  InternalServerError: { kind: 'retry', code: 'internal_error' },
  ServiceUnavailable: { kind: 'retry', code: 'unavailable' },
};

/** Reads an answer. Reasons that are not known are not believed to be about the device. */
export function judge(response: HttpResponse, context: AnswerContext): ApnsVerdict {
  const { status } = response;
  if (status >= 200 && status < 300) {
    const id = headerOf(response, 'apns-id');
    return { outcome: { kind: 'accepted', code: 'accepted', httpStatus: status, ...(id && { id }) } };
  }
  const { reason, timestamp, words } = readBody(response.text);
  const goneSince = status === 410 ? timestamp : undefined;
  const rule = ruleOf(status, reason, goneSince);
  const verdict = verdictOf(
    rule,
    reason,
    `APNs answered ${status}${words && `: ${reasonWords(words, [context.deviceToken])}`}`,
    context,
  );
  const retryAfterMs =
    verdict.outcome.kind === 'retry'
      ? (parseRetryAfter(headerOf(response, 'retry-after'), context.now) ?? verdict.outcome.retryAfterMs)
      : undefined;
  return {
    effect: verdict.effect,
    outcome: {
      ...verdict.outcome,
      code: rule.code ?? (Object.hasOwn(RULES, reason) ? inSmallLetters(reason) : `http_${status}`),
      httpStatus: status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(goneSince === undefined || verdict.outcome.kind !== 'gone' ? {} : { goneSince }),
    },
  };
}

/** What the words of a GOAWAY mean for a request that it left without an answer; undefined when they explain nothing. */
export function judgeGoaway(words: string, context: AnswerContext): ApnsVerdict | undefined {
  const { reason } = readBody(words);
  const rule = Object.hasOwn(RULES, reason) ? RULES[reason] : undefined;
  if (rule?.effect !== 'credential') return undefined;
  return verdictOf(rule, reason, `APNs ended the session: ${reason}`, context);
}

function ruleOf(status: number, reason: string, goneSince: number | undefined): Rule {
  const known = Object.hasOwn(RULES, reason) ? RULES[reason] : undefined;
  // Devices are removed only where the status says the same.
  if (known && known.kind !== 'gone') return known;
  if (status === 410 && (known || goneSince !== undefined))
    return { kind: 'gone', code: known ? inSmallLetters(reason) : 'unregistered' };
  if (status === 400 && known?.effect === 'doubtful') return known;
  if (status >= 300 && status < 400) return { kind: 'failed', code: 'redirect' };
  if (status === 429) return { kind: 'retry', code: 'too_many_requests' };
  return { kind: status >= 500 || PASSING_STATUSES.has(status) ? 'retry' : 'failed', code: `http_${status}` };
}

function verdictOf(rule: Rule, reason: string, words: string, context: AnswerContext): ApnsVerdict {
  const isAgain = rule.effect !== undefined && rule.effect === context.tried;
  const effect = isAgain ? (rule.again ?? rule.effect) : rule.effect;
  const mends = effect === 'credential' || effect === 'topic';
  const advice = mends ? rule.advice?.(context) : undefined;
  return {
    effect,
    outcome: {
      kind: rule.kind,
      code: rule.code ?? inSmallLetters(reason),
      reason: advice ? `${words}; ${advice}` : words,
      ...(rule.kind === 'retry' && { retryAfterMs: mends ? MEND_MS : WAIT_MS }),
    },
  };
}

/** `{"reason": "…", "timestamp": <milliseconds>}`; what is no JSON speaks for itself. */
function readBody(text: string): { reason: string; timestamp: number | undefined; words: string } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { reason: '', timestamp: undefined, words: text };
  }
  const { reason, timestamp } = (body ?? {}) as { reason?: unknown; timestamp?: unknown };
  const isTime = typeof timestamp === 'number' && Number.isFinite(timestamp) && timestamp > 0;
  return typeof reason === 'string'
    ? { reason, timestamp: isTime ? timestamp : undefined, words: reason }
    : { reason: '', timestamp: isTime ? timestamp : undefined, words: text };
}

/** `BadDeviceToken` is `bad_device_token`. */
function inSmallLetters(reason: string): string {
  return reason.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}
