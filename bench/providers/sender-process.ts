/** A process that sends, so that its CPU is its own. It ends with its parent. */
import type { Target } from '../../packages/carillon/src/push/providers/provider.ts';
import { percentile } from '../support/statistics.ts';
import { createBareSender } from './bare-sender.ts';
import { createCarillonSender } from './carillon-sender.ts';
import { startGorush } from './gorush-sender.ts';
import { createLibrarySender, type Library } from './library-senders.ts';
import type { SenderReply, SenderRequest } from './messages.ts';
import { targetsOf } from './targets.ts';

export interface Sender {
  /**
   * Sends to these targets; resolves when the outcome of each was reported.
   * @param report whether it was accepted, and how many ms after it was handed over
   */
  send(targets: readonly Target[], report: (isAccepted: boolean, ms: number) => void): Promise<void>;
}

let sender: Sender;
let makeTargets: (from: number, count: number) => Target[];
let targets: Target[] = [];

function reply(message: SenderReply): void {
  process.send?.(message);
}

async function send(): Promise<void> {
  const times = new Float64Array(targets.length);
  let accepted = 0;
  let other = 0;
  await sender.send(targets, (isAccepted, ms) => {
    times[accepted + other] = ms;
    if (isAccepted) accepted += 1;
    else other += 1;
  });
  const p50Ms = percentile(times, 0.5) ?? 0;
  const p99Ms = percentile(times, 0.99) ?? 0;
  reply({ type: 'sent', accepted, other, p50Ms, p99Ms });
}

async function prepare(request: Extract<SenderRequest, { type: 'prepare' }>): Promise<void> {
  const { subject, vendor, sink, threads, server } = request;
  const pids = [process.pid];
  makeTargets = (from, count) => targetsOf(vendor, sink, from, count);
  if (subject === 'carillon') sender = createCarillonSender(vendor, sink, threads);
  else if (subject === 'node:http2') sender = createBareSender(sink, threads);
  else if (server) {
    const gorush = await startGorush(server);
    sender = gorush.sender;
    // What it takes to ask for pushes is its user's.
    pids.splice(0, 1, gorush.pid);
  } else sender = createLibrarySender(subject as Library, sink);
  reply({ type: 'ready', pids });
}

process.on('message', (request: SenderRequest) => {
  if (request.type === 'send') void send();
  else if (request.type === 'prepare') void prepare(request);
  else {
    targets = makeTargets(request.from, request.count);
    reply({ type: 'made' });
  }
});
process.on('disconnect', () => process.exit());
