/**
 * `unsupported`: see `pushSupport()`. `denied`: the person said no. `dismissed`: they closed the question.
 * `worker-failed`: the service worker could not be installed. `service-failed`: the browser's push service, or Firebase, gave no
 * address to push to.
 */
export type PushErrorCode = 'unsupported' | 'denied' | 'dismissed' | 'worker-failed' | 'service-failed';

export class PushError extends Error {
  override name = 'PushError';
  readonly code: PushErrorCode;
  constructor(code: PushErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
