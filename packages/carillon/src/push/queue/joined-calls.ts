/**
 * Joins calls: what is asked for while a run is under way goes into the next run together. So a call that comes alone waits
 * for nothing, and many at once cost as much as a few.
 *
 * @param run carries out all items, or rejects for all of them
 * @returns a call for one item, which ends as the run that it was in
 */
export function joinedCalls<Item>(
  run: (items: readonly Item[]) => Promise<void>,
): (item: Item) => Promise<void> {
  let waiting: Item[] = [];
  let next: Promise<void> | undefined;
  let underWay: Promise<unknown> = Promise.resolve();

  function runWaiting(): Promise<void> {
    const items = waiting;
    waiting = [];
    next = undefined;
    return run(items);
  }
  return (item) => {
    waiting.push(item);
    if (!next) {
      next = underWay.then(runWaiting);
      underWay = next.catch(() => {});
    }
    return next;
  };
}
