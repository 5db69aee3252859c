/**
 * A thread that sends. Encryption is synchronous and takes a tenth of a millisecond a push, so it happens here, apart
 * from the sockets. It takes batches from the main thread and gives outcomes back, together where nobody waits for them:
 * each message wakes the main thread, which costs both as much as a dozen outcomes.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { keepTicksQuick } from '../../steady-ticks.ts';
import { createProvider, type ProviderSetup } from '../providers/index.ts';
import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome, SendBatch } from '../providers/provider.ts';
import {
  noAcceptances,
  packAcceptance,
  type SenderReport,
  type SenderRequest,
  unpackTargets,
} from './sender-messages.ts';

/** The main thread learns this late at most what became of a target; of a batch's last one at once. */
const REPORT_AFTER_MS = 5;

keepTicksQuick();

const port = parentPort!;
const setups = workerData as readonly ProviderSetup[];
const providers = new Map(setups.map((setup) => [setup.lane, createProvider(setup)]));

let accepted = noAcceptances();
let others: [number, Outcome][] = [];
let finished: number[] = [];
let isFlushDue = false;
let timer: NodeJS.Timeout | undefined;

port.on('message', (request: SenderRequest) => {
  if (request.type === 'send') {
    const { id, lane, targets, message } = request;
    void send(id, lane, { targets: unpackTargets(targets), message });
  } else void close();
});

async function send(id: number, lane: ProviderLane, batch: SendBatch): Promise<void> {
  const provider = providers.get(lane);
  if (!provider) throw new Error(`the sender thread has no provider ${lane}`);
  await provider.send(batch, (outcome) => {
    if (!packAcceptance(accepted, id, outcome)) others.push([id, outcome]);
    timer ??= setTimeout(flush, REPORT_AFTER_MS);
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
  clearTimeout(timer);
  timer = undefined;
  if (finished.length === 0 && others.length === 0 && accepted.batches.length === 0) return;
  const report: SenderReport = { accepted, others, finished };
  accepted = noAcceptances();
  others = [];
  finished = [];
  port.postMessage(report);
}

async function close(): Promise<void> {
  await Promise.all(Array.from(providers.values(), (provider) => provider.close()));
  // The sends that were broken off report before the port closes; with it the thread has nothing left to wait for.
  setImmediate(() =>
    setImmediate(() => {
      flush();
      port.close();
    }),
  );
}
