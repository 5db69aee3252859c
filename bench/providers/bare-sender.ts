/** Node's HTTP/2 with nothing around it: the limit of every sender that is built on it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { BareReply, BareRequest } from './bare-messages.ts';
import type { SinkAddress } from './messages.ts';
import type { Sender } from './sender-process.ts';

export function createBareSender(sink: SinkAddress, threads: number): Sender {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('./bare-thread.ts', import.meta.url), { workerData: sink }),
  );
  return {
    async send(targets, report) {
      const tokens = targets.map(({ token }) => token);
      const share = Math.ceil(tokens.length / threads);
      await Promise.all(
        workers.map(async (worker, number) => {
          const request: BareRequest = { tokens: tokens.slice(number * share, (number + 1) * share) };
          worker.postMessage(request);
          const [{ accepted, times }] = (await once(worker, 'message')) as [BareReply];
          for (const [at, ms] of times.entries()) report(at < accepted, ms);
        }),
      );
    },
  };
}
