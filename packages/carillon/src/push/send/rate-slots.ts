import type { RatePolicy } from '../queue/stored-push.ts';

/**
 * The earliest time from `from` on at which one more push keeps every policy: no window of `intervalMs` ever has more than
 * `rate` pushes, whichever of them are past and whichever are reserved for later.
 *
 * For each run of `rate` hits from `a` to `b` within one interval, one more hit between `b - intervalMs` and
 * `a + intervalMs` would be one too many; those are the times that are stepped over.
 *
 * @param hits times of earlier pushes of the bucket, ascending, in milliseconds
 */
export function earliestSlot(hits: readonly number[], policies: readonly RatePolicy[], from: number): number {
  let slot = from;
  for (let moved = true; moved; ) {
    moved = false;
    for (const policy of policies) {
      const next = stepOver(hits, policy, slot);
      if (next > slot) moved = true;
      slot = next;
    }
  }
  return slot;
}

/** Puts a hit in its place. */
export function insertHit(hits: number[], at: number): void {
  let index = hits.length;
  while (index > 0 && (hits[index - 1] as number) > at) index -= 1;
  hits.splice(index, 0, at);
}

function stepOver(hits: readonly number[], { rate, intervalMs }: RatePolicy, from: number): number {
  let slot = from;
  for (let first = firstAfter(hits, slot - intervalMs); first + rate <= hits.length; first++) {
    const earliest = hits[first] as number;
    const latest = hits[first + rate - 1] as number;
    if (latest - intervalMs >= slot) break;
    if (latest - earliest < intervalMs) slot = Math.max(slot, earliest + intervalMs);
  }
  return slot;
}

/** Index of the first hit later than `time`. */
function firstAfter(hits: readonly number[], time: number): number {
  let low = 0;
  let high = hits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((hits[middle] as number) > time) high = middle;
    else low = middle + 1;
  }
  return low;
}
