import { ApiError, UnavailableError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { QueueFullError } from '../push/queue/queue.ts';
import { RequestTypeError, UnknownMethodError } from './dispatch.ts';

export interface ErrorReply {
  readonly error: { readonly code: number; readonly message: string };
}

/**
 * The `ApiError` for whatever a method threw. What is nobody's request's fault becomes 100 and is logged with its stack,
 * which the caller never sees.
 */
export function toApiError(error: unknown, method: string, logger: Logger): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof UnavailableError || error instanceof QueueFullError) {
    logger.warn({ method, reason: error.message }, 'a call was refused: it could not be kept');
    return new ApiError('unavailable', error.message);
  }
  if (error instanceof RequestTypeError) return new ApiError('badRequest', error.message);
  if (error instanceof UnknownMethodError) return new ApiError('notFound', error.message);
  logger.error({ err: error, method }, 'a method of the server API failed');
  return new ApiError('internal');
}

export function errorBody(error: ApiError): ErrorReply['error'] {
  return { code: error.code, message: error.message };
}
