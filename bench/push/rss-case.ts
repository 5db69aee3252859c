/** Whether memory grows with the audience: the whole pipeline but for the network (`dry_run`). */
import { cpuBetween, cpuByThread, peakRssMiB, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { type Result, result } from '../support/suite.ts';
import { send, startServer, untilDone } from './carillon-case.ts';
import { type Audience, audience, isRegisteredByApi, registerByApi } from './devices.ts';
import { monotonicMs } from './sink-messages.ts';
import type { Stage } from './stage.ts';

const SMALL = audience(1_000);
/** The small audience is rung until so many pushes are through, so that as much garbage was made. */
const PUSHES_TO_SMALL = 100_000;

export const RSS_CONDITIONS = [
  'dry_run without latency: all but the network; statuses in full; a fresh server for each audience',
  `1,000 devices are sent to ${PUSHES_TO_SMALL / SMALL.count} times, one after the other, the larger audiences once`,
];

/** Peak RSS for each audience, the small one first. */
export async function measureRss(
  stage: Stage,
  counts: readonly number[],
  progress: Progress,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const one of [SMALL, ...counts.map(audience)]) {
    results.push(await measureOne(stage, one, one === SMALL ? PUSHES_TO_SMALL / SMALL.count : 1, progress));
  }
  return results;
}

async function measureOne(stage: Stage, one: Audience, times: number, progress: Progress): Promise<Result> {
  const name = `dry run, ${one.count.toLocaleString('en')} devices${times > 1 ? ` × ${times}` : ''}`;
  progress.step(`carillon: ${name}`);
  const carillon = await startServer(stage, 'postgresql', undefined, { dry_run: true });
  try {
    if (isRegisteredByApi(one)) await registerByApi(carillon, stage.sink.origin, one);
    const before = cpuByThread(carillon.pid);
    const since = monotonicMs();
    for (let n = 0; n < times; n++) await untilDone(carillon, await send(carillon, one.topic));
    const seconds = (monotonicMs() - since) / 1000;
    const cpu = totalCpu(cpuBetween(before, cpuByThread(carillon.pid)));
    const pushes = one.count * times;
    const figures = {
      perSecond: pushes / seconds,
      cpuMicros: cpu / pushes,
      rssMiB: peakRssMiB(carillon.pid),
    };
    return result(name, 'carillon', figures);
  } finally {
    await carillon.stop();
  }
}
