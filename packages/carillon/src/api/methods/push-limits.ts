import type { Static } from 'typebox';
import { badRequest } from '../../errors.ts';
import type { LimitStrategy, RateLimit } from '../../push/queue/stored-push.ts';
import { checkText } from './checks.ts';
import type { LimitStrategySchema } from './push-schemas.ts';

const MAX_POLICIES = 10;
const MAX_RATE = 10_000;
/** A year: slots are remembered for that long. */
const MAX_INTERVAL_MS = 366 * 86_400_000;
const TIME_OF_DAY = /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/;

/**
 * Reads `limit_strategy` (push-api, section 6.2); null when it limits nothing.
 * @throws ApiError 107 naming the field
 */
export function checkLimits(strategy: Static<typeof LimitStrategySchema> | undefined): LimitStrategy | null {
  const { rate_limit, time_limit } = strategy ?? {};
  if (!rate_limit && !time_limit) return null;
  return {
    rate: rate_limit ? checkRate(rate_limit) : null,
    time: time_limit ? checkTime(time_limit) : null,
  };
}

function checkRate(limit: NonNullable<Static<typeof LimitStrategySchema>['rate_limit']>): RateLimit {
  const field = 'limit_strategy.rate_limit';
  const { key = '', policies = [], drop_if_rate_limited: drop = false } = limit;
  if (policies.length === 0 || policies.length > MAX_POLICIES) {
    throw badRequest(`${field}.policies`, `must have 1 to ${MAX_POLICIES} items, got ${policies.length}`);
  }
  return {
    key: checkText(key, `${field}.key`),
    drop,
    policies: policies.map(({ rate = 0, interval_ms: intervalMs = 0 }, index) => {
      const at = `${field}.policies[${index}]`;
      if (rate < 1 || rate > MAX_RATE)
        throw badRequest(`${at}.rate`, `must be 1 to ${MAX_RATE}, got ${rate}`);
      if (intervalMs < 1 || intervalMs > MAX_INTERVAL_MS) {
        throw badRequest(`${at}.interval_ms`, `must be 1 to ${MAX_INTERVAL_MS}, got ${intervalMs}`);
      }
      return { rate, intervalMs };
    }),
  };
}

function checkTime(
  limit: NonNullable<Static<typeof LimitStrategySchema>['time_limit']>,
): LimitStrategy['time'] {
  const field = 'limit_strategy.time_limit';
  const { send_after_time: after = '', send_before_time: before = '', no_tz_send_now = false } = limit;
  for (const [name, value] of Object.entries({ send_after_time: after, send_before_time: before })) {
    if (!TIME_OF_DAY.test(value)) {
      throw badRequest(`${field}.${name}`, `must be a time of day as HH:MM:SS, got ${JSON.stringify(value)}`);
    }
  }
  if (after === before) {
    throw badRequest(`${field}.send_before_time`, `must differ from send_after_time, got ${before} for both`);
  }
  return { after, before, noTimezoneSendNow: no_tz_send_now };
}
