const UNITS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;

/**
 * Milliseconds of a duration as Go writes it (`"1h30m"`, `"0.5s"`); a number, or text of digits only, is nanoseconds.
 * Undefined for anything else, negative ones included.
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return value >= 0 ? value / 1e6 : undefined;
  if (typeof value !== 'string') return undefined;
  if (value === '0') return 0;
  let total = 0;
  let read = 0;
  for (const [part, number, unit] of value.matchAll(PART)) {
    total += Number(number) * (UNITS[unit as string] as number);
    read += part.length;
  }
  return read > 0 && read === value.length ? total : undefined;
}
