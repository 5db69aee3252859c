import type { Answer } from '../service.ts';

/** Google's web endpoint, in the words that were seen of it; each text ends in a line feed. */
const TEXTS: Readonly<Record<number, string>> = {
  404: 'A valid push subscription endpoint should be specified in the URL as such: https://fcm.googleapis.com/wp/dHIoDxE7Hdg:APA91bH1Zj0kNa...',
  410: 'push subscription has unsubscribed or expired.',
  413: 'the payload is longer than 4096 bytes.',
  429: 'too many requests.',
  500: 'internal error.',
  503: 'the service is unavailable.',
};

export const MISSING_AUTHORIZATION = 'authorization header must be specified.';
export const WRONG_KEY =
  'the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.';
export const BAD_JWT = 'invalid JWT provided';
export const JWT_TOO_LONG = 'exp claim MUST NOT be more than 24 hours from the time of the request';
export const NO_VAPID = 'UnauthorizedRegistration';
export const BAD_TTL = 'InvalidTtlParameter';

/** Registration errors of the browser's side: the answer is 200 all the same. */
export const REGISTRATION_ERRORS: readonly string[] = [
  'INVALID_SENDER',
  'QUOTA_EXCEEDED',
  'PHONE_REGISTRATION_ERROR',
  'AUTHENTICATION_FAILED',
];

export function textAnswer(status: number, text = TEXTS[status] ?? 'error.'): Answer {
  return {
    status,
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'SAMEORIGIN',
      'X-XSS-Protection': '0',
    },
    body: `${text}\n`,
  };
}

/** What the registration answers: `token=…` or `Error=…`. */
export function registrationAnswer(name: 'token' | 'Error', value: string): Answer {
  return { status: 200, headers: { 'Content-Type': 'text/plain; charset=UTF-8' }, body: `${name}=${value}` };
}
