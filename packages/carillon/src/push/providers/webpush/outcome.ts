import { type HttpResponse, headerOf } from '../http/response-reader.ts';
import { parseRetryAfter } from '../http/retry-after.ts';
import type { Outcome } from '../provider.ts';

/** The part of a push service's answer that decides what becomes of the push. */
export interface PushResponse {
  readonly status: number;
  readonly location?: string | undefined;
  readonly retryAfter?: string | undefined;
  /** The beginning of the body, or for WNS its error header. */
  readonly text: string;
  /** Of WNS alone: its `X-WNS-Status`, or `unknown` where it gives none. */
  readonly wns?: string | undefined;
}

const MAX_REASON_LENGTH = 200;

/** What of an HTTP answer decides. */
export function readResponse(response: HttpResponse): PushResponse {
  return {
    status: response.status,
    location: headerOf(response, 'location'),
    retryAfter: headerOf(response, 'retry-after'),
    text: response.text || headerOf(response, 'x-wns-error-description') || '',
    wns: headerOf(response, 'x-wns-status') ?? (headerOf(response, 'x-wns-msg-id') && 'unknown'),
  };
}

/** Codes for statuses that have a word of their own in status and metrics. */
const CODES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  406: 'too_many_requests', // WNS says so, with Retry-After
  408: 'timeout',
  413: 'payload_too_large',
  429: 'too_many_requests',
  500: 'internal_error',
  502: 'bad_gateway',
  503: 'unavailable',
  504: 'gateway_timeout',
};
const RETRY_STATUSES = new Set([406, 408, 421, 425, 429]);

/** Reads an answer by RFC 8030 and what the services do in practice (`push-api` 5.1, `vendors` 4). */
export function outcomeOf(response: PushResponse, index: number, now: number): Outcome {
  const { status } = response;
  if (status >= 200 && status < 300) {
    const id = response.location?.split('/').pop();
    return { index, kind: 'accepted', code: 'accepted', httpStatus: status, ...(id ? { id } : {}) };
  }
  const kind = kindOf(response);
  const code =
    kind === 'gone'
      ? 'unregistered'
      : status >= 300 && status < 400
        ? 'redirect'
        : (CODES[status] ?? `http_${status}`);
  const retryAfterMs = kind === 'retry' ? parseRetryAfter(response.retryAfter, now) : undefined;
  return {
    index,
    kind,
    code,
    httpStatus: status,
    reason: reasonOf(response),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function kindOf({ status, text }: PushResponse): Outcome['kind'] {
  if (status === 404 || status === 410) return 'gone';
  // Google, of a subscription that was made without a VAPID key.
  if (status === 400 && text.includes('UnauthorizedRegistration')) return 'gone';
  // Apple ends a connection that idles with a 400.
  const passes =
    status >= 500 || RETRY_STATUSES.has(status) || (status === 400 && text.includes('IdleTimeout'));
  return passes ? 'retry' : 'failed';
}

/** The service's own words where it has any: `reason` (Apple), `message` (Mozilla), else its text. */
function reasonOf({ status, text }: PushResponse): string {
  let words = text;
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) {
      const { reason, message } = body as { reason?: unknown; message?: unknown };
      if (typeof reason === 'string') words = reason;
      else if (typeof message === 'string') words = message;
    }
  } catch {
    // Not JSON: the text speaks for itself.
  }
  words = words.replace(/\s+/g, ' ').trim().slice(0, MAX_REASON_LENGTH);
  return words ? `push service answered ${status}: ${words}` : `push service answered ${status}`;
}
