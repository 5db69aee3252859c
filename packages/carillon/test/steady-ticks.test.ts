import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

const MODULE = new URL('../src/steady-ticks.ts', import.meta.url).href;
const SENDER_THREAD = new URL('../src/push/worker/sender-thread.ts', import.meta.url).href;

/** A thread that collects all garbage while no tick is waiting, and posts how many nanoseconds a tick takes thereafter. */
const threadThat = (begins: string): string => `
  const { parentPort } = require('node:worker_threads');
  const { setImmediate: turn } = require('node:timers/promises');
  const ticks = (count) => new Promise((resolve) => {
    const startedAt = performance.now();
    let left = count;
    const tick = () => (left-- > 0 ? process.nextTick(tick) : resolve(((performance.now() - startedAt) * 1e6) / count));
    tick();
  });
  (async () => {
    ${begins}
    await ticks(50);
    await turn();
    for (let round = 0; round < 4; round++) gc();
    await turn();
    let quickest = Infinity;
    for (let round = 0; round < 10; round++) quickest = Math.min(quickest, await ticks(20_000));
    parentPort.postMessage(quickest);
  })();
`;

async function quickestTick(begins: string): Promise<number> {
  // A sender thread without a provider.
  const worker = new Worker(threadThat(begins), { eval: true, workerData: [] });
  const [nanoseconds] = await once(worker, 'message');
  await worker.terminate();
  return nanoseconds;
}

it('a tick stays several times as quick after a full garbage collection as it is without, in sender threads, too', async () => {
  setFlagsFromString('--expose-gc');
  const without = await quickestTick('');
  const kept = await quickestTick(`(await import('${MODULE}')).keepTicksQuick();`);
  assert.ok(kept < without / 2, `${kept} ns, and ${without} ns without: has Node no need of it any more?`);
  const inSenders = await quickestTick(`await import('${SENDER_THREAD}');`);
  assert.ok(inSenders < without / 2, `${inSenders} ns in a sender thread, and ${without} ns without`);
});
