/**
 * A thread that sends. Encryption is synchronous and takes a tenth of a millisecond a push, so it happens here, apart
 * from the sockets. It takes batches from the main thread and gives outcomes back, those of one turn of the event
 * loop in one message.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { createProvider, type ProviderSetup } from '../providers/index.ts';
import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome, SendBatch } from '../providers/provider.ts';
import type { SenderReport, SenderRequest } from './sender-messages.ts';

const port = parentPort!;
const setups = workerData as readonly ProviderSetup[];
const providers = new Map(setups.map((setup) => [setup.lane, createProvider(setup)]));

let outcomes: [number, Outcome][] = [];
let finished: number[] = [];
let isFlushDue = false;

port.on('message', (request: SenderRequest) => {
  if (request.type === 'send') void send(request.id, request.lane, request.batch);
  else void close();
});

async function send(id: number, lane: ProviderLane, batch: SendBatch): Promise<void> {
  const provider = providers.get(lane);
  if (!provider) throw new Error(`the sender thread has no provider ${lane}`);
  await provider.send(batch, (outcome) => {
    outcomes.push([id, outcome]);
    flushSoon();
  });
  finished.push(id);
  flushSoon();
}

function flushSoon(): void {
  if (isFlushDue) return;
  isFlushDue = true;
  setImmediate(flush);
}

function flush(): void {
  isFlushDue = false;
  const report: SenderReport = { outcomes, finished };
  outcomes = [];
  finished = [];
  port.postMessage(report);
}

async function close(): Promise<void> {
  await Promise.all(Array.from(providers.values(), (provider) => provider.close()));
  // The sends that were broken off report before the port closes; with it the thread has nothing left to wait for.
  setImmediate(() => setImmediate(() => port.close()));
}
