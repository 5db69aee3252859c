import { randomInt } from 'node:crypto';
import type { Answer } from '../service.ts';

/** Huawei's codes with their words, and the HTTP status that fits (vendors.md 3.3). */
const CODES: Readonly<Record<string, readonly [status: number, msg: string]>> = {
  80000000: [200, 'Success'],
  80100000: [200, '{"success":0,"failure":1,"illegal_tokens":["xxx"]}'],
  80100001: [400, 'Invalid parameter'],
  80100002: [400, 'A system message takes one token'],
  80100003: [400, 'Illegal payload'],
  80100004: [400, 'The expiry time is in the past'],
  80100013: [400, 'Illegal collapse_key'],
  80100016: [400, 'The message has sensitive content'],
  80100017: [400, 'Over 100 topic messages are on their way'],
  80100018: [400, 'Illegal review signature'],
  80200001: [401, 'OAuth authentication error'],
  80200003: [401, 'OAuth token expired'],
  80200005: [401, 'Jwt token expired'],
  80300002: [400, 'The app may not send messages'],
  80300007: [400, 'All the tokens are invalid'],
  80300008: [400, 'The message body is over 4096 bytes'],
  80300010: [400, 'The number of tokens is out of range'],
  80300011: [400, 'No right to send high-priority messages'],
  80300013: [400, 'Invalid receipt address'],
  80300029: [400, 'Test messages come too fast'],
  80300030: [400, 'Too many test messages'],
  80300036: [400, 'The JWT is valid for over a day'],
  80300037: [400, 'The app is suspended'],
  80600003: [500, 'The OAuth service cannot be reached'],
  81000001: [500, 'Internal error'],
};

/**
 * An answer with one of Huawei's codes. Which HTTP status it comes with is documented for no code.
 * @param status 200, or the one that fits when undefined
 */
export function hmsAnswer(code: string, { msg, status }: { msg?: string; status?: number } = {}): Answer {
  const [fitting, words] = CODES[code] ?? [200, ''];
  return {
    status: status ?? fitting,
    headers: { 'content-type': 'application/json;charset=UTF-8' },
    body: JSON.stringify({ code, msg: msg ?? words, requestId: `${Date.now()}${randomInt(1e9)}006` }),
  };
}

/** Some of the tokens were no good; `msg` is JSON in a text. */
export function partly(success: number, illegal: readonly string[]): Answer {
  const msg = JSON.stringify({ success, failure: illegal.length, illegal_tokens: illegal });
  return hmsAnswer('80100000', { msg });
}

/** Flow control has no JSON, and its words are not to be relied on. */
export const flowControl = (): Answer => ({
  status: 503,
  headers: { 'content-type': 'text/plain' },
  body: '',
});

/**
 * An error on request: a code, at HTTP 200 unless a status is given; `503` alone is flow control.
 * `80100000` has a made-up token in its list.
 */
export function hmsErrorAnswer({ reason, status }: { reason?: string; status?: number }): Answer | undefined {
  if (reason !== undefined) return CODES[reason] ? hmsAnswer(reason, { status: status ?? 200 }) : undefined;
  if (status === undefined) return undefined;
  if (status === 503) return flowControl();
  if (status === 400) return hmsAnswer('80100001', { status });
  if (status === 401) return hmsAnswer('80200001', { status });
  return { status };
}
