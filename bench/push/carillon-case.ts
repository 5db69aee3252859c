/** Pushes through the real server, from the API call to the sink. */
import { setTimeout as delay } from 'node:timers/promises';
import { type CarillonProcess, startCarillon } from '../support/carillon.ts';
import { cpuBetween, cpuByThread, peakRssMiB, type ThreadCpu, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { medianBy } from '../support/statistics.ts';
import { type Result, result } from '../support/suite.ts';
import { type Audience, audience, isRegisteredByApi, registerByApi } from './devices.ts';
import type { Others } from './others.ts';
import { monotonicMs } from './sink-messages.ts';
import { PAYLOAD, type Place, type Stage, SUBJECT } from './stage.ts';

export interface CarillonCase {
  readonly place: Place;
  readonly count: number;
  readonly status: 'full' | 'off';
  /** The round with the median speed counts. */
  readonly rounds: number;
  /** Each to `WARM_UP`: code is compiled and connections are open before anything is measured. */
  readonly warmUpRounds: number;
  readonly senderThreads: number;
  /** Folder for `--cpu-prof`. */
  readonly profileDir?: string | undefined;
}

export interface CarillonFigures {
  readonly result: Result;
  /** µs a push, by thread. */
  readonly threads: ThreadCpu;
  readonly ratios: Ratios;
  readonly failures: readonly string[];
}

/** To what the others did right before: the medians of all rounds. */
export interface Ratios {
  /** Pushes per second to those of `web-push`. */
  readonly speed: number;
  /** CPU to the floor as one would write it, and as cheap as it goes. */
  readonly plain: number;
  readonly cheapest: number;
}

export const WARM_UP = audience(1_000);
const POLL_MS = 50;

export function caseName({ place, count, status }: CarillonCase): string {
  return `${count.toLocaleString('en')} devices, ${place}${status === 'off' ? ', status off' : ''}`;
}

/** Starts a server, warms it up, and sends to the audience as often as the case says, in turns with the others. */
export async function measureCarillon(
  stage: Stage,
  one: CarillonCase,
  others: Others,
  progress: Progress,
): Promise<CarillonFigures> {
  const name = caseName(one);
  progress.step(`carillon: ${name}`);
  const target = audience(one.count);
  const carillon = await startServer(stage, one.place, one.profileDir, {
    sender_threads: one.senderThreads,
    status: { mode: one.status },
  });
  try {
    for (const group of [WARM_UP, ...(isRegisteredByApi(target) ? [target] : [])]) {
      await registerByApi(carillon, stage.sink.origin, group);
    }
    const failures: string[] = [];
    for (let n = 0; n < one.warmUpRounds; n++) await sendRound(stage, carillon, WARM_UP, progress);
    const rounds: Round[] = [];
    const ratios: Ratios[] = [];
    for (let n = 0; n < one.rounds; n++) {
      const { webPush, floor } = await others.turn();
      const round = await sendRound(stage, carillon, target, progress);
      rounds.push(round);
      ratios.push({
        speed: round.perSecond / webPush.perSecond,
        plain: totalCpu(round.threads) / floor.plain.cpuMicros,
        cheapest: totalCpu(round.threads) / floor.cheapest.cpuMicros,
      });
      if (round.doubled > 0) failures.push(`${name}: ${round.doubled} pushes doubled`);
    }
    const { perSecond, p50Ms, p99Ms, threads } = medianBy(rounds, (round) => round.perSecond);
    const rssMiB = peakRssMiB(carillon.pid);
    const figures = { perSecond, cpuMicros: totalCpu(threads), p50Ms, p99Ms, rssMiB };
    const medianOf = (kind: keyof Ratios) => medianBy(ratios, (one) => one[kind])[kind];
    return {
      result: result(name, 'carillon', figures),
      threads,
      ratios: { speed: medianOf('speed'), plain: medianOf('plain'), cheapest: medianOf('cheapest') },
      failures,
    };
  } finally {
    await carillon.stop();
  }
}

export function startServer(
  stage: Stage,
  place: Place,
  profileDir: string | undefined,
  push: Record<string, unknown>,
): Promise<CarillonProcess> {
  const { database, queue } = stage.config(place);
  return startCarillon({
    ...stage.child,
    dataDir: stage.dataDir(place),
    nodeArgs: profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [],
    config: {
      database,
      push_notifications: {
        enabled: true,
        enabled_providers: ['webpush'],
        queue,
        webpush: {
          vapid_public_key: stage.vapid.publicKey,
          vapid_private_key: stage.vapid.privateKey,
          subject: SUBJECT,
          insecure_endpoint_origins: [stage.sink.origin],
        },
        ...push,
      },
    },
  });
}

interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly threads: ThreadCpu;
  readonly doubled: number;
}

/**
 * CPU is counted until no job is left, so that what is recorded after the last arrival counts, too.
 * @throws when pushes are lost
 */
async function sendRound(
  stage: Stage,
  carillon: CarillonProcess,
  { set, topic, count }: Audience,
  progress: Progress,
): Promise<Round> {
  const expected = await stage.sink.expect(set, count);
  const before = cpuByThread(carillon.pid);
  const since = monotonicMs();
  const uid = await send(carillon, topic);
  await expected.complete(progress);
  await untilDone(carillon, uid);
  const used = cpuBetween(before, cpuByThread(carillon.pid));
  const { doubled, p50Ms, p99Ms, lastMs } = await expected.figures(since);
  return {
    perSecond: count / (lastMs / 1000),
    p50Ms,
    p99Ms,
    threads: new Map([...used].map(([thread, micros]) => [thread, micros / count])),
    doubled,
  };
}

export async function send(carillon: CarillonProcess, topic: string): Promise<string> {
  const { uid } = await carillon.call<{ uid: string }>('send_push_notification', {
    recipient: { filter: { topics: [topic] } },
    notification: { webpush: { headers: { TTL: '60', Urgency: 'high' }, payload: PAYLOAD } },
  });
  return uid;
}

export async function untilDone(carillon: CarillonProcess, uid: string): Promise<void> {
  for (;;) {
    const { state } = await carillon.call('push_status', { uid, limit: 1 });
    if (state === 'done') return;
    await delay(POLL_MS);
  }
}
