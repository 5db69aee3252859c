import type { Answer, Route, Service } from '../service.ts';
import { failure, type GoogleAccounts } from './google.ts';
import type { HuaweiApps } from './huawei.ts';

const MAX_BODY_BYTES = 16_384;

/** Google's and Huawei's token endpoints. */
export function createOAuthService(options: { google: GoogleAccounts; huawei: HuaweiApps }): Service {
  const call = (answer: Extract<Route, { kind: 'call' }>['answer']): Route => ({
    kind: 'call',
    maxBody: MAX_BODY_BYTES,
    answer,
  });
  return {
    name: 'oauth',
    route(method, path) {
      if (path === '/token') {
        return call((request) => (method === 'POST' ? options.google.answer(request) : wrongMethod()));
      }
      if (path === '/oauth2/v3/token') {
        return call((request) => (method === 'POST' ? options.huawei.answer(request) : wrongMethod()));
      }
      return undefined;
    },
    errorAnswer: oauthError,
  };
}

/** By OAuth's word for it (RFC 6749, section 5.2), or by status alone: 500 and above are Google's `internal_failure`. */
function oauthError({ reason, status }: { reason?: string; status?: number }): Answer | undefined {
  switch (reason) {
    case 'invalid_grant':
      return failure(reason, 'Invalid JWT Signature.', status);
    case 'invalid_client':
      return failure(reason, 'The OAuth client was not found.', status ?? 401);
    case 'invalid_scope':
    case 'invalid_request':
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      return failure(reason, undefined, status);
    case 'internal_failure':
      return failure(reason, undefined, status ?? 500);
    case undefined:
      if (status === undefined) return undefined;
      return status < 500
        ? failure('invalid_grant', 'Bad Request', status)
        : failure('internal_failure', undefined, status);
    default:
      return undefined;
  }
}

function wrongMethod(): Answer {
  return { status: 405, headers: { allow: 'POST' } };
}
