import { executionAsyncResource } from 'node:async_hooks';

const kept: object[] = [];

/**
 * Keeps `process.nextTick` of this thread quick; to be called when the thread starts.
 *
 * Node makes an object for each tick, by a literal with computed names. V8 remembers its shape at that place, but holds
 * it weakly: a full garbage collection at a moment when no tick is waiting takes the shape away, and what V8 does instead
 * it then does for good. A tick takes 400 ns from there on in place of 60, and a request over HTTP/2 takes six ticks. One
 * tick's object that is never let go keeps the shape alive.
 */
export function keepTicksQuick(): void {
  process.nextTick(() => {
    if (kept.length === 0) kept.push(executionAsyncResource());
  });
}
