const SLICE_MS = 5;
let sliceEnd = 0;

/**
 * Undefined while the process's consumers have run for less than a slice without a pause; then a promise that resolves
 * when sockets and timers have had their turn. Commands that never wait would keep them waiting otherwise.
 */
export function giveWay(): Promise<void> | undefined {
  if (performance.now() < sliceEnd) return undefined;
  return new Promise((resolve) =>
    setImmediate(() => {
      sliceEnd = Math.max(sliceEnd, performance.now() + SLICE_MS);
      resolve();
    }),
  );
}
