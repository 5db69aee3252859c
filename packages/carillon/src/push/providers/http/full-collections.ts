import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';

/** An entry of the type `gc`; the types do not know its details. */
type Collection = PerformanceEntry & { readonly detail: { readonly kind: number } };

let count = 0;
let isCounting = false;

/** How many full garbage collections this thread has had since it first asked. */
export function fullCollections(): number {
  if (!isCounting) startCounting();
  return count;
}

function startCounting(): void {
  isCounting = true;
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries() as Collection[]) {
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) count += 1;
    }
  }).observe({ entryTypes: ['gc'] });
}
