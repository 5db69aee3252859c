/** The smallest value that `share` (0 to 1) of all values do not exceed; null when there are none. */
export function percentile(values: readonly number[] | Float64Array, share: number): number | null {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
}

/** The item in the middle when they are ordered by `key`; of two middles the lower. */
export function medianBy<T>(items: readonly T[], key: (item: T) => number): T {
  const sorted = items.toSorted((a, b) => key(a) - key(b));
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('a median needs at least one item');
  return middle;
}
