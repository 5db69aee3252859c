import type { Answer } from '../service.ts';

/**
 * FCM's errors, in the forms that were seen or are documented (vendors.md 1.4 and section 5, rows 2 to 13). Google indents
 * its answers.
 */

const FCM_ERROR = 'type.googleapis.com/google.firebase.fcm.v1.FcmError';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';
const QUOTA_FAILURE = 'type.googleapis.com/google.rpc.QuotaFailure';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const INVALID = 'Request contains an invalid argument.';
const BAD_CREDENTIALS =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.';
const NO_CREDENTIALS =
  'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.';

type Detail = Readonly<Record<string, unknown>>;

/** What is wrong with one field: `message.data[0].value`. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** An error with Google's canonical word for it and, maybe, details. */
export function googleError(
  code: number,
  status: string,
  message: string,
  details?: readonly Detail[],
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return json(code, { error: { code, message, status, ...(details && { details }) } }, headers);
}

/** Any answer of Google's gateway, indented as it does without being asked. */
export function json(status: number, value: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=UTF-8',
      vary: 'X-Origin, Referer, Origin,Accept-Encoding',
      ...headers,
    },
    body: `${JSON.stringify(value, null, 2)}\n`,
  };
}

/** A field's value of the wrong JSON type or an unknown name: found before FCM itself sees the message. */
export function malformed(violations: readonly Violation[]): Answer {
  const message = violations.map(({ description }) => description).join('\n');
  return googleError(400, 'INVALID_ARGUMENT', message, [
    { '@type': BAD_REQUEST, fieldViolations: violations },
  ]);
}

/** A value that FCM does not allow. */
export function invalid({ field, description }: Violation): Answer {
  return googleError(400, 'INVALID_ARGUMENT', description, [
    { '@type': BAD_REQUEST, fieldViolations: [{ field, description }] },
    fcmError('INVALID_ARGUMENT'),
  ]);
}

export function unauthenticated(
  reason: 'CREDENTIALS_MISSING' | 'ACCESS_TOKEN_EXPIRED' | 'ACCESS_TOKEN_TYPE_UNSUPPORTED',
) {
  const missing = reason === 'CREDENTIALS_MISSING';
  const challenge = 'Bearer realm="https://accounts.google.com/"';
  return googleError(
    401,
    'UNAUTHENTICATED',
    missing ? NO_CREDENTIALS : BAD_CREDENTIALS,
    [
      errorInfo(reason, {
        method: 'google.firebase.fcm.v1.FcmService.SendMessage',
        service: 'fcm.googleapis.com',
      }),
    ],
    { 'www-authenticate': missing ? challenge : `${challenge}, error="invalid_token"` },
  );
}

export function permissionDenied(project: string): Answer {
  return googleError(
    403,
    'PERMISSION_DENIED',
    `Permission 'cloudmessaging.messages.create' denied on resource '//cloudresourcemanager.googleapis.com/projects/${project}' (or it may not exist).`,
  );
}

export function scopeInsufficient(): Answer {
  return googleError(403, 'PERMISSION_DENIED', 'Request had insufficient authentication scopes.', [
    errorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT', {
      method: 'google.firebase.fcm.v1.FcmService.SendMessage',
      service: 'fcm.googleapis.com',
    }),
  ]);
}

export const notFound = (): Answer => googleError(404, 'NOT_FOUND', 'Requested entity was not found.');
export const tooLarge = (): Answer => googleError(400, 'INVALID_ARGUMENT', INVALID);
export const unregistered = (): Answer =>
  googleError(404, 'NOT_FOUND', 'Requested entity was not found.', [fcmError('UNREGISTERED')]);
export const senderIdMismatch = (): Answer =>
  googleError(403, 'PERMISSION_DENIED', 'SenderId mismatch', [fcmError('SENDER_ID_MISMATCH')]);
export const badToken = (): Answer =>
  googleError(400, 'INVALID_ARGUMENT', 'The registration token is not a valid FCM registration token', [
    fcmError('INVALID_ARGUMENT'),
  ]);
export const quotaExceeded = (project = 'emulated'): Answer =>
  googleError(429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).', [
    fcmError('QUOTA_EXCEEDED'),
    {
      '@type': QUOTA_FAILURE,
      violations: [{ subject: `project:${project}`, description: 'Message rate exceeded for this project.' }],
    },
  ]);

const RECIPIENT = 'Recipient of the message is not set.';
export const noRecipient = (): Answer => invalid({ field: 'message', description: RECIPIENT });

const BY_REASON: Record<string, () => Answer> = {
  ACCESS_TOKEN_EXPIRED: () => unauthenticated('ACCESS_TOKEN_EXPIRED'),
  UNREGISTERED: unregistered,
  INVALID_ARGUMENT: badToken,
  INVALID_REGISTRATION_TOKEN: () =>
    googleError(400, 'INVALID_ARGUMENT', INVALID, [
      fcmError('INVALID_ARGUMENT'),
      {
        '@type': BAD_REQUEST,
        fieldViolations: [{ field: 'message.token', description: 'Invalid registration token' }],
      },
    ]),
  RECIPIENT_NOT_SET: noRecipient,
  TYPE_STRING: () => {
    const description = "Invalid value at 'message.data[0].value' (TYPE_STRING), 12";
    return malformed([{ field: 'message.data[0].value', description }]);
  },
  PAYLOAD_TOO_LARGE: tooLarge,
  SENDER_ID_MISMATCH: senderIdMismatch,
  PERMISSION_DENIED: () => permissionDenied('emulated'),
  NOT_FOUND: notFound,
  THIRD_PARTY_AUTH_ERROR: () =>
    googleError(401, 'UNAUTHENTICATED', 'Auth error from APNS or Web Push Service', [
      fcmError('THIRD_PARTY_AUTH_ERROR'),
    ]),
  // The same, in the words of an access token that is bad: who refreshes on these words alone never stops.
  THIRD_PARTY_AUTH_ERROR_GENERIC: () =>
    googleError(401, 'UNAUTHENTICATED', BAD_CREDENTIALS, [fcmError('THIRD_PARTY_AUTH_ERROR')]),
  APNS_AUTH_ERROR: () =>
    googleError(401, 'UNAUTHENTICATED', 'Auth error from APNS or Web Push Service', [
      fcmError('APNS_AUTH_ERROR'),
    ]),
  QUOTA_EXCEEDED: () => quotaExceeded(),
  RATE_LIMIT_EXCEEDED: () =>
    googleError(
      429,
      'RESOURCE_EXHAUSTED',
      "Quota exceeded for quota metric 'Send requests' of service 'fcm.googleapis.com'.",
      [errorInfo('RATE_LIMIT_EXCEEDED', { service: 'fcm.googleapis.com', quota_limit_value: '600000' })],
    ),
  INTERNAL: () => googleError(500, 'INTERNAL', 'Internal error encountered.', [fcmError('INTERNAL')]),
  UNAVAILABLE: () =>
    googleError(503, 'UNAVAILABLE', 'The service is currently unavailable.', [fcmError('UNAVAILABLE')]),
  BAD_GATEWAY: () => ({
    status: 502,
    headers: { 'content-type': 'text/html; charset=UTF-8' },
    body: '<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n<p><b>502.</b> <ins>That’s an error.</ins>\n<p>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.\n',
  }),
  UNSPECIFIED_ERROR: () => googleError(500, 'UNKNOWN', 'Unknown Error.', [fcmError('UNSPECIFIED_ERROR')]),
};

const BY_STATUS: Record<number, string> = {
  400: 'PAYLOAD_TOO_LARGE',
  401: 'ACCESS_TOKEN_EXPIRED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'QUOTA_EXCEEDED',
  500: 'INTERNAL',
  502: 'BAD_GATEWAY',
  503: 'UNAVAILABLE',
};

/**
 * An error on request. Words are FCM's error codes and, where FCM has several forms of one or none: `ACCESS_TOKEN_EXPIRED`,
 * `INVALID_REGISTRATION_TOKEN`, `RECIPIENT_NOT_SET`, `TYPE_STRING`, `PAYLOAD_TOO_LARGE`, `PERMISSION_DENIED` (IAM),
 * `NOT_FOUND` (no such project), `THIRD_PARTY_AUTH_ERROR_GENERIC`, `RATE_LIMIT_EXCEEDED`, `BAD_GATEWAY` (HTML).
 * `Retry-After` is the fault's own to add.
 */
export function fcmErrorAnswer({ reason, status }: { reason?: string; status?: number }): Answer | undefined {
  const word = reason ?? BY_STATUS[status ?? 0];
  const answer = word === undefined ? undefined : BY_REASON[word]?.();
  if (answer) return status === undefined ? answer : { ...answer, status };
  if (reason !== undefined || status === undefined) return undefined;
  return googleError(status, status < 500 ? 'FAILED_PRECONDITION' : 'UNKNOWN', 'Unknown Error.');
}

function fcmError(errorCode: string): Detail {
  return { '@type': FCM_ERROR, errorCode };
}

function errorInfo(reason: string, metadata: Readonly<Record<string, string>>): Detail {
  return { '@type': ERROR_INFO, reason, domain: 'googleapis.com', metadata };
}
