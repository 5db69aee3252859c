import type { PushConfig } from '../../config/config.ts';
import type { Outcome } from '../providers/provider.ts';

export interface RetryPolicy {
  readonly limits: PushConfig['retry'];
  /** 0 to 1; `Math.random` outside tests. */
  readonly random: () => number;
}

/**
 * Milliseconds to wait before the next attempt: exponential with full jitter, so that many failures together do not come
 * back together, and never before the service's own `Retry-After`, which gets a tenth of jitter on top.
 *
 * @param attempt the attempt that failed, 1 for the first
 */
export function retryDelay(
  outcome: Pick<Outcome, 'retryAfterMs'>,
  attempt: number,
  policy: RetryPolicy,
): number {
  const { base_delay, max_delay } = policy.limits;
  const ceiling = Math.min(max_delay, base_delay * 2 ** Math.min(attempt - 1, 40));
  // Not below a tenth: an immediate second try rarely meets a service that has recovered.
  const backoff = ceiling * (0.1 + 0.9 * policy.random());
  if (outcome.retryAfterMs === undefined) return backoff;
  return Math.max(backoff, outcome.retryAfterMs * (1 + 0.1 * policy.random()));
}
