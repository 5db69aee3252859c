import type { PushResponse } from './outcome.ts';

/**
 * What an answer says of more than its target:
 * - `mismatch`: the subscription was made for another VAPID key than the one that was shown
 * - `credential`: our token is refused, whoever it is for: a matter of the clock, the subject or the keys
 * - `quota`: the service takes no more from us for now
 */
export type WebPushFault = 'mismatch' | 'credential' | 'quota';

/** The services differ in status and words, and their stand-ins have other names: so it is the words that decide. */
const SIGNS: readonly [status: number, words: RegExp, fault: WebPushFault][] = [
  // Mozilla: errno 109 is all that is wrong with a VAPID token (`vendors` 4.5).
  [401, /"VAPID public key mismatch"/, 'mismatch'],
  [401, /"errno":\s*109\b/, 'credential'],
  // Google (4.6).
  [403, /(do|does) not correspond to the/, 'mismatch'],
  [401, /authorization header must be specified/, 'credential'],
  [403, /invalid JWT provided|exp claim MUST NOT|permission denied: crypto-key/, 'credential'],
  // Apple (4.7).
  [400, /"VapidPkHashMismatch"/, 'mismatch'],
  [400, /"Bad(AuthorizationHeader|VapidPublicKey)"/, 'credential'],
  [403, /"Bad(JwtToken|AuthorizationHeader|VapidPublicKey)"/, 'credential'],
];

/** @returns undefined for what concerns the target alone */
export function faultOf({ status, text, wns }: PushResponse): WebPushFault | undefined {
  if (wns) {
    // Microsoft says it by statuses and headers (4.8).
    if (status === 401) return 'credential';
    if (status === 403) return 'mismatch';
    return wns === 'appthrottled' ? 'quota' : undefined;
  }
  return SIGNS.find(([itsStatus, words]) => itsStatus === status && words.test(text))?.[2];
}
