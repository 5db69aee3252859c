import type { Service } from '../../scripts/setup/system-packages.ts';

/**
 * For a test's `skip`: the services among these that this machine lacks, as `npm test` found out, in words; false when
 * all are there.
 */
export function missing(...services: Service[]): string | false {
  const absent = (process.env.TEST_MISSING_SERVICES ?? '').split(',');
  const lacking = services.filter((service) => absent.includes(service));
  return lacking.length > 0 && `not on this machine: ${lacking.join(', ')}`;
}
