/** Whom Carillon is compared with: the library `web-push`, and the cryptography alone. */
import { Peer } from '../support/child.ts';
import { cpuBetween, cpuByThread, peakRssMiB, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { medianBy } from '../support/statistics.ts';
import { type Result, result } from '../support/suite.ts';
import type { FloorReply } from './crypto-floor.ts';
import { subscription } from './devices.ts';
import type { PeerReply, PeerRequest } from './peer-messages.ts';
import { monotonicMs } from './sink-messages.ts';
import { PAYLOAD, type Stage, SUBJECT } from './stage.ts';

type Ready = Extract<PeerReply, { type: 'ready' }>;
type Sent = Extract<PeerReply, { type: 'sent' }>;

export const IN_FLIGHT = 100;
const WARM_UP = 2_000;

/** The library sends to `count` devices; of `rounds` the one with the median speed counts. */
export async function measureWebPush(
  stage: Stage,
  count: number,
  rounds: number,
  progress: Progress,
): Promise<{ result: Result; failures: string[] }> {
  const name = `${count.toLocaleString('en')} devices`;
  progress.step(`web-push: ${name}, ${IN_FLIGHT} requests under way`);
  const module = new URL('./web-push-process.ts', import.meta.url);
  const peer = new Peer<PeerRequest>('the process of web-push', module, stage.child);
  const sendRound = async (size: number) => {
    const subscriptions = Array.from({ length: size }, (_, index) =>
      subscription(stage.sink.origin, size, index),
    );
    const expected = await stage.sink.expect(size, size);
    const before = cpuByThread(peer.pid);
    const since = monotonicMs();
    const { failed } = await peer.ask<Sent>({ type: 'send', subscriptions }, 'sent');
    const cpu = totalCpu(cpuBetween(before, cpuByThread(peer.pid)));
    await expected.complete(progress);
    const { doubled, p50Ms, p99Ms, lastMs } = await expected.figures(since);
    return { perSecond: size / (lastMs / 1000), cpuMicros: cpu / size, p50Ms, p99Ms, failed, doubled };
  };
  try {
    const vapid = { subject: SUBJECT, ...stage.vapid };
    const payload = JSON.stringify(PAYLOAD);
    await peer.ask<Ready>({ type: 'prepare', vapid, payload, inFlight: IN_FLIGHT }, 'ready');
    await sendRound(WARM_UP);
    const measured = [];
    for (let n = 0; n < rounds; n++) measured.push(await sendRound(count));
    const failures = measured.flatMap(({ failed, doubled }) =>
      failed + doubled > 0 ? [`web-push, ${name}: ${failed} calls failed, ${doubled} pushes doubled`] : [],
    );
    const { perSecond, cpuMicros, p50Ms, p99Ms } = medianBy(measured, (round) => round.perSecond);
    const figures = { perSecond, cpuMicros, p50Ms, p99Ms, rssMiB: peakRssMiB(peer.pid) };
    return { result: result(name, 'web-push', figures), failures };
  } finally {
    await peer.stop();
  }
}

/** First as one would write it, then as cheap as it goes. */
export async function measureFloor(stage: Stage, progress: Progress): Promise<readonly [Result, Result]> {
  progress.step('crypto floor');
  const peer = new Peer('the crypto floor', new URL('./crypto-floor.ts', import.meta.url), {
    ...stage.child,
    env: { BENCH_PLAINTEXT_BYTES: String(JSON.stringify(PAYLOAD).length) },
  });
  try {
    const { plain, cheapest } = await peer.next<FloorReply>('floor');
    return [
      result('one message, hkdfSync()', 'crypto-floor', { ...plain }),
      result('one message, at its cheapest', 'crypto-floor', { ...cheapest }),
    ];
  } finally {
    await peer.stop();
  }
}
