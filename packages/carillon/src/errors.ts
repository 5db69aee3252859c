/**
 * The catalogue of errors that the server API answers with. Codes and default messages are Centrifugo's
 * (`server-api`, section 3); `retry` says whether the same call may succeed later.
 */
export const API_ERRORS = {
  internal: { code: 100, status: 500, message: 'internal server error', retry: true },
  unavailable: { code: 100, status: 503, message: 'temporarily unavailable', retry: true },
  unknownChannel: { code: 102, status: 404, message: 'unknown channel', retry: false },
  notFound: { code: 104, status: 404, message: 'not found', retry: false },
  badRequest: { code: 107, status: 400, message: 'bad request', retry: false },
  notAvailable: { code: 108, status: 400, message: 'not available', retry: false },
  unrecoverablePosition: { code: 112, status: 416, message: 'unrecoverable position', retry: false },
  conflict: { code: 113, status: 409, message: 'conflict', retry: true },
} as const;

export type ApiErrorName = keyof typeof API_ERRORS;

/**
 * An answer of the server API that is not a result. `detail` names the field, the value and what is allowed; it is
 * appended to the catalogue's message (`bad request: limit: must be 0 or more, got -1`).
 */
export class ApiError extends Error {
  readonly code: number;
  readonly status: number;
  readonly retry: boolean;

  constructor(name: ApiErrorName, detail?: string, options?: ErrorOptions) {
    const entry = API_ERRORS[name];
    super(detail ? `${entry.message}: ${detail}` : entry.message, options);
    this.name = 'ApiError';
    this.code = entry.code;
    this.status = entry.status;
    this.retry = entry.retry;
  }
}

/**
 * A service that the server stands on (PostgreSQL, Redis) cannot be reached, or is not ready: what was asked has not been
 * kept, and may be asked again.
 */
export class UnavailableError extends Error {
  override name = 'UnavailableError';

  constructor(service: string, cause: unknown) {
    super(`${service} cannot be used: ${(cause as Error).message || (cause as { code?: string }).code}`, {
      cause,
    });
  }
}

/** Shorthand for the most frequent one: 107 with the field and the reason. */
export function badRequest(field: string, reason: string): ApiError {
  return new ApiError('badRequest', `${field}: ${reason}`);
}
