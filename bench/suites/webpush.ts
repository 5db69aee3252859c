/**
 * Web push: what a message costs. Encryption and VAPID beside `web-push` in the same run, round by round, then full
 * sends over HTTP/2 and TLS to a service on this machine. CPU is counted on the sending thread alone, so the figures
 * are per core whatever else runs.
 */
import { createECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import webPush from 'web-push';
import type { WebPushConfig } from '../../packages/carillon/src/config/config.ts';
import { encrypt, pad } from '../../packages/carillon/src/push/providers/webpush/encryption.ts';
import {
  createWebPushProvider,
  generateVapidKeys,
} from '../../packages/carillon/src/push/providers/webpush/index.ts';
import { createVapidSigner } from '../../packages/carillon/src/push/providers/webpush/vapid.ts';
import { makeCertificates, stubLookup } from '../../packages/carillon/test/push/webpush/support.ts';
import { medianBy } from '../support/statistics.ts';
import { type RunOptions, result, type Suite, type SuiteReport } from '../support/suite.ts';

const ROUNDS = 5;
const MESSAGES_PER_ROUND = 1_000;
const SENDS = 10_000;
const QUICK_SENDS = 5_000;
const BATCH_SIZE = 100;
/** As many batches at once as a worker with the default concurrency has under way. */
const BATCHES_AT_ONCE = 16;

const payload = { title: 'Room', body: 'x'.repeat(160), data: { room: 7, message: 12345 } };

export const webPushSuite: Suite = {
  name: 'webpush',
  description: 'what a web push costs the thread that sends it, without queue and registry',
  run: measureAll,
};

async function measureAll({ quick, progress }: RunOptions): Promise<SuiteReport> {
  const keys = generateVapidKeys();
  const config: WebPushConfig = {
    vapid_public_key: keys.publicKey,
    vapid_private_key: keys.privateKey,
    previous_vapid_keys: [],
    subject: 'mailto:ops@example.com',
    tokens_batch_size: BATCH_SIZE,
    allowed_endpoint_origins: [],
    extra_allowed_endpoint_origins: [],
    insecure_endpoint_origins: [],
    emulator_address: '',
  };
  progress.step('encryption and VAPID, in turns');
  const prepared = comparePreparation(config);
  progress.step('full sends');
  const sent = await measureSends(config, quick ? QUICK_SENDS : SENDS);
  const one = 'encryption and VAPID';
  const [ours, theirs] = [prepared.ours, prepared.webPush].map(forEach);
  return {
    conditions: [
      'encryption and VAPID: per second of CPU on one thread, medians of rounds that take turns',
      `full sends: ${BATCHES_AT_ONCE} batches of ${BATCH_SIZE} at once over HTTP/2 and TLS to a service in another thread; CPU is the sending thread's`,
    ],
    results: [
      result(one, 'carillon', ours ?? {}),
      result(one, 'web-push', theirs ?? {}),
      result('full sends', 'carillon', { perSecond: sent.perSecond, cpuMicros: 1e6 / sent.perCore }),
    ],
    notes: [`${one}: ${(prepared.ours / prepared.webPush).toFixed(2)} × web-push`],
  };
}

function forEach(perSecond: number): { perSecond: number; cpuMicros: number } {
  return { perSecond, cpuMicros: 1e6 / perSecond };
}

/** Medians of rounds that take turns, so that a busy moment hits both. */
function comparePreparation(config: WebPushConfig): { ours: number; webPush: number } {
  const browser = createECDH('prime256v1');
  const p256dh = browser.generateKeys();
  const auth = randomBytes(16);
  const endpoint = 'https://push.example.net/wpush/v2/abc';
  const subscription = {
    endpoint,
    keys: { p256dh: p256dh.toString('base64url'), auth: auth.toString('base64url') },
  };
  const text = JSON.stringify(payload);
  const padded = pad(Buffer.from(text));
  const vapid = createVapidSigner(config);
  const vapidDetails = {
    subject: config.subject,
    publicKey: config.vapid_public_key,
    privateKey: config.vapid_private_key,
  };

  const ours = () => {
    encrypt(padded, { p256dh, auth });
    vapid.authorization('https://push.example.net');
  };
  const theirs = () => {
    webPush.generateRequestDetails(subscription, text, { vapidDetails, contentEncoding: 'aes128gcm' });
  };
  for (const warmUp of [ours, theirs]) perSecond(warmUp, MESSAGES_PER_ROUND / 2);
  const rounds = Array.from({ length: ROUNDS }, () => ({
    ours: perSecond(ours, MESSAGES_PER_ROUND),
    webPush: perSecond(theirs, MESSAGES_PER_ROUND),
  }));
  return {
    ours: medianBy(rounds, (round) => round.ours).ours,
    webPush: medianBy(rounds, (round) => round.webPush).webPush,
  };
}

async function measureSends(
  config: WebPushConfig,
  sends: number,
): Promise<{ perCore: number; perSecond: number }> {
  const { ca, key, cert } = makeCertificates();
  const sink = new Worker(new URL('./webpush-sink.ts', import.meta.url), { workerData: { key, cert } });
  const [port] = await once(sink, 'message');
  const origin = `https://push.test:${port}`;
  const provider = createWebPushProvider(
    { ...config, insecure_endpoint_origins: [origin] },
    { ca, lookup: stubLookup(['127.0.0.1']) },
  );
  const targets = Array.from({ length: BATCH_SIZE }, (_, index) => ({
    token: `${origin}/wpush/v2/${index}`,
    keys: {
      p256dh: createECDH('prime256v1').generateKeys('base64url'),
      auth: randomBytes(16).toString('base64url'),
    },
  }));
  const batch = { targets, message: { headers: { TTL: '60', Urgency: 'high' }, payload } };
  const batchesEach = Math.ceil(sends / BATCH_SIZE / BATCHES_AT_ONCE);
  const unsent: string[] = [];
  const sendBatches = async (count: number) => {
    for (let done = 0; done < count; done++) {
      await provider.send(batch, ({ kind, code }) => {
        if (kind !== 'accepted') unsent.push(code);
      });
    }
  };
  try {
    await sendBatches(10);
    const startedAt = performance.now();
    const cpuBefore = process.threadCpuUsage();
    await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, () => sendBatches(batchesEach)));
    const sent = batchesEach * BATCHES_AT_ONCE * BATCH_SIZE;
    const seconds = (performance.now() - startedAt) / 1000;
    if (unsent.length > 0)
      throw new Error(`${unsent.length} pushes were not accepted, the first: ${unsent[0]}`);
    return { perCore: sent / cpuSeconds(cpuBefore), perSecond: sent / seconds };
  } finally {
    await provider.close();
    await sink.terminate();
  }
}

/** Calls per second of CPU. */
function perSecond(work: () => void, calls: number): number {
  const before = process.threadCpuUsage();
  for (let call = 0; call < calls; call++) work();
  return calls / cpuSeconds(before);
}

function cpuSeconds(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1e6;
}
