/** `device_register` over HTTP: one call a registration, and many in a `batch`. */
import { createECDH, randomBytes } from 'node:crypto';
import { generateVapidKeys } from '../../packages/carillon/src/push/providers/webpush/index.ts';
import { type CarillonProcess, startCarillon } from '../support/carillon.ts';
import { cpuBetween, cpuByThread, peakRssMiB, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { percentile } from '../support/statistics.ts';
import { type Result, result } from '../support/suite.ts';

const CONNECTIONS = 64;
const BATCH_CONNECTIONS = 4;
const BATCH_SIZE = 100;
const WARM_UP = 1_000;
const ORIGIN = 'https://updates.push.services.mozilla.com';

const browser = createECDH('prime256v1');
const keys = {
  p256dh: browser.generateKeys('base64url'),
  auth: randomBytes(16).toString('base64url'),
};

export const REGISTRATION_CONDITIONS = [
  `single calls over ${CONNECTIONS} connections; batches of ${BATCH_SIZE} with parallel: true over ${BATCH_CONNECTIONS}; latencies are those of a call, so of a whole batch there`,
  `web push devices with a user and 2 topics; ${WARM_UP} registrations before do not count; "new": unknown tokens, "again": the same once more`,
  'the callers run in the process of the benchmark, on the same machine',
];

export interface RegistrationOptions {
  readonly place: 'postgresql' | 'pglite';
  /** PostgreSQL; absent for the embedded database. */
  readonly dsn?: string;
  /** Registrations of each case. */
  readonly count: number;
  readonly cores: string | undefined;
}

export async function measureRegistrations(
  { place, dsn, count, cores }: RegistrationOptions,
  progress: Progress,
): Promise<Result[]> {
  const vapid = generateVapidKeys();
  const carillon = await startCarillon({
    cores,
    connections: CONNECTIONS,
    config: {
      ...(dsn && { database: { postgresql: { dsn } } }),
      push_notifications: {
        enabled: true,
        enabled_providers: ['webpush'],
        webpush: {
          vapid_public_key: vapid.publicKey,
          vapid_private_key: vapid.privateKey,
          subject: 'mailto:ops@example.com',
        },
      },
    },
  });
  const single = (set: string) => (start: number) =>
    carillon.call('device_register', registration(set, start)).then(() => {});
  const batch = (set: string) => (start: number) => {
    const commands = Array.from({ length: BATCH_SIZE }, (_, n) => ({
      device_register: registration(set, start + n),
    }));
    return carillon.batch(commands).then(() => {});
  };
  const results: Result[] = [];
  const measure = async (name: string, step: number, connections: number, call: Call) => {
    progress.step(`device_register, ${name}, ${place}`);
    results.push(await run(carillon, `${name}, ${place}`, { count, step, connections, call }, progress));
  };
  try {
    await callAll({ count: WARM_UP, step: 1, connections: CONNECTIONS, call: single('w') });
    await measure('single, new', 1, CONNECTIONS, single('s'));
    await measure('single, again', 1, CONNECTIONS, single('s'));
    await measure('batch, new', BATCH_SIZE, BATCH_CONNECTIONS, batch('b'));
    await measure('batch, again', BATCH_SIZE, BATCH_CONNECTIONS, batch('b'));
    return results;
  } finally {
    await carillon.stop();
  }
}

/** Registers devices from number `start` on. */
type Call = (start: number) => Promise<void>;

interface Load {
  readonly count: number;
  /** Registrations of one call. */
  readonly step: number;
  readonly connections: number;
  readonly call: Call;
}

async function run(carillon: CarillonProcess, name: string, load: Load, progress: Progress): Promise<Result> {
  const before = cpuByThread(carillon.pid);
  const started = performance.now();
  const latencies = await callAll(load, (done) => progress.update(`${done} of ${load.count}`));
  const seconds = (performance.now() - started) / 1000;
  return result(name, 'carillon', {
    perSecond: load.count / seconds,
    cpuMicros: totalCpu(cpuBetween(before, cpuByThread(carillon.pid))) / load.count,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    rssMiB: peakRssMiB(carillon.pid),
  });
}

/** Keeps each connection busy until all is registered; gives back each call's milliseconds. */
async function callAll(
  { count, step, connections, call }: Load,
  onProgress: (done: number) => void = () => {},
): Promise<number[]> {
  const latencies: number[] = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const start = next;
      next += step;
      const started = performance.now();
      await call(start);
      latencies.push(performance.now() - started);
      if (latencies.length % 256 === 0) onProgress(latencies.length * step);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return latencies;
}

function registration(set: string, index: number): object {
  const name = `${set}${String(index).padStart(12, '0')}`;
  return {
    provider: 'webpush',
    platform: 'web',
    token: JSON.stringify({ endpoint: `${ORIGIN}/wpush/v2/${name}${'x'.repeat(130)}`, keys }),
    user: `user-${index >> 1}`,
    timezone: 'Europe/Berlin',
    locale: 'de-DE',
    topics: [`room-${index % 1000}`, 'news'],
  };
}
