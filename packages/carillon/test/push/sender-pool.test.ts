import assert from 'node:assert/strict';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Outcome, SendBatch } from '../../src/push/providers/provider.ts';
import { encrypt, pad } from '../../src/push/providers/webpush/encryption.ts';
import { createSenderPool, type SenderPoolOptions } from '../../src/push/worker/sender-pool.ts';
import type { SenderPool } from '../../src/push/worker/senders.ts';
import { Browser, PushService, until, webPushConfig, webPushSetup } from './webpush/support.ts';

const browser = new Browser();
const faultyThread = new URL('./webpush/faulty-thread.ts', import.meta.url);
let pool: SenderPool;
let log: string[] = [];

afterEach(async () => {
  await pool.close();
  log = [];
});

function startPool(options: Partial<SenderPoolOptions>): SenderPool {
  const write = (fields: object, message: string) => log.push(`${message} ${JSON.stringify(fields)}`);
  pool = createSenderPool({
    threads: 1,
    providers: [webPushSetup(webPushConfig())],
    logger: { info: write, error: write },
    ...options,
  });
  return pool;
}

function batchOf(count: number, origin: string, message = { payload: { text: 'hello' } }): SendBatch {
  const targets = Array.from({ length: count }, (_, index) => browser.target(`${origin}/wpush/${index}`));
  return { targets, message };
}

async function sendAll(batch: SendBatch): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  await pool.send('webpush', batch, (outcome) => {
    assert.equal(outcomes[outcome.index], undefined, `target ${outcome.index} was reported twice`);
    outcomes[outcome.index] = outcome;
  });
  return outcomes;
}

const faultyBatch = (fault: string): SendBatch => ({
  ...batchOf(3, 'https://push.test'),
  message: { fault },
});
const words = (outcomes: Outcome[]) => outcomes.map(({ kind, code }) => `${kind} ${code}`);

describe('the sender pool', () => {
  it('sends batches in its threads and reports each target once', async () => {
    const service = await PushService.startPlain();
    try {
      const origin = `http://127.0.0.1:${service.port}`;
      startPool({
        threads: 2,
        providers: [webPushSetup(webPushConfig({ insecure_endpoint_origins: [origin] }))],
      });
      const batches = await Promise.all(Array.from({ length: 6 }, () => sendAll(batchOf(50, origin))));
      for (const outcomes of batches) {
        assert.equal(outcomes.length, 50);
        assert.ok(outcomes.every(({ kind, id }) => kind === 'accepted' && id === 'id-1'));
      }
      assert.equal(service.received.length, 300);
      assert.equal(
        new Set(service.received.map((push) => push.headers.authorization)).size,
        2,
        'one token a thread',
      );
      assert.equal(pool.utilization().inFlight, 0);
    } finally {
      await pool.close();
      await service.close();
    }
  });

  it('leaves the event loop of the main thread free while 2000 messages are encrypted', async () => {
    const keys = { p256dh: browser.keyPair.getPublicKey(), auth: browser.auth };
    const syncStart = performance.now();
    const payload = pad(Buffer.from('{"text":"hello"}'));
    for (let count = 0; count < 2000; count++) encrypt(payload, keys);
    const onMainThreadMs = performance.now() - syncStart;

    const sink = new Worker(new URL('./webpush/sink-thread.ts', import.meta.url));
    try {
      const [port] = await once(sink, 'message');
      const origin = `http://127.0.0.1:${port}`;
      startPool({
        threads: 2,
        providers: [webPushSetup(webPushConfig({ insecure_endpoint_origins: [origin] }))],
      });
      await sendAll(batchOf(10, origin));
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      const before = performance.eventLoopUtilization();
      const batches = await Promise.all(Array.from({ length: 20 }, () => sendAll(batchOf(100, origin))));
      const { active } = performance.eventLoopUtilization(before);
      delay.disable();
      assert.ok(batches.flat().every(({ kind }) => kind === 'accepted'));
      // Here the encryption alone would have held the loop all that time. Generous, for machines that are busy.
      assert.ok(active < onMainThreadMs / 2, `busy for ${active} ms, encryption takes ${onMainThreadMs} ms`);
      assert.ok(
        delay.percentile(99) / 1e6 < onMainThreadMs / 2,
        `p99 delay ${delay.percentile(99) / 1e6} ms`,
      );
    } finally {
      await sink.terminate();
    }
  });

  it('ends what a crashed thread had not reported as retry, and replaces the thread', async () => {
    startPool({ threadModule: faultyThread, respawnDelayMs: 10 });
    assert.deepEqual(words(await sendAll(faultyBatch('crash'))), [
      'accepted accepted',
      'retry sender_crashed',
      'retry sender_crashed',
    ]);
    assert.equal(pool.utilization().inFlight, 0);
    let outcomes = await sendAll({ ...batchOf(1, 'https://push.test'), message: {} });
    while (outcomes[0]!.kind !== 'accepted') {
      assert.deepEqual(words(outcomes), ['retry sender_crashed']);
      await new Promise(setImmediate);
      outcomes = await sendAll({ ...batchOf(1, 'https://push.test'), message: {} });
    }
    assert.match(log.join('\n'), /a sender thread ended; it is replaced/);
  });

  it('gives a batch to the thread that is least busy', async () => {
    startPool({ threads: 2, threadModule: faultyThread, drainTimeoutMs: 50 });
    const hanging = sendAll(faultyBatch('hang'));
    for (let count = 0; count < 5; count++) {
      const outcomes = await sendAll({ ...batchOf(1, 'https://push.test'), message: {} });
      assert.deepEqual(words(outcomes), ['accepted accepted']);
    }
    assert.ok(pool.utilization().inFlight >= 2);
    await pool.close();
    await hanging;
  });

  it('waits at close for sends under way', async () => {
    const service = await PushService.startPlain();
    try {
      const held: (() => void)[] = [];
      service.answer = (_push, response) => held.push(() => response.writeHead(201).end());
      const origin = `http://127.0.0.1:${service.port}`;
      startPool({ providers: [webPushSetup(webPushConfig({ insecure_endpoint_origins: [origin] }))] });
      const sending = sendAll(batchOf(3, origin));
      await until(() => held.length === 3, 'the pushes arrive');
      const closing = pool.close();
      for (const answer of held) answer();
      assert.deepEqual(words(await sending), Array(3).fill('accepted accepted'));
      await closing;
    } finally {
      await service.close();
    }
  });

  it('breaks off at close, as retry, what takes longer than the limit', async () => {
    const service = await PushService.startPlain();
    try {
      service.answer = () => {};
      const origin = `http://127.0.0.1:${service.port}`;
      startPool({
        drainTimeoutMs: 20,
        providers: [webPushSetup(webPushConfig({ insecure_endpoint_origins: [origin] }))],
      });
      const sending = sendAll(batchOf(30, origin));
      await until(() => service.received.length > 0, 'the first pushes arrive');
      await pool.close();
      const outcomes = await sending;
      assert.equal(outcomes.length, 30);
      assert.ok(outcomes.every(({ kind }) => kind === 'retry'));
    } finally {
      await service.close();
    }
  });

  it('ends at close even a thread that is blocked', async () => {
    startPool({ threadModule: faultyThread, drainTimeoutMs: 10 });
    const sending = sendAll(faultyBatch('block'));
    await until(() => pool.utilization().inFlight === 2, 'the thread has begun');
    await pool.close();
    assert.deepEqual(words(await sending).slice(1), Array(2).fill('retry sender_crashed'));
  });

  it('reports retry for what is sent after close', async () => {
    startPool({});
    await pool.close();
    assert.deepEqual(words(await sendAll(batchOf(2, 'https://push.test'))), Array(2).fill('retry closed'));
  });

  it('fails the targets of a provider that is not configured', async () => {
    startPool({});
    const outcomes: Outcome[] = [];
    await pool.send('fcm', batchOf(2, 'https://push.test'), (outcome) => outcomes.push(outcome));
    assert.deepEqual(words(outcomes), Array(2).fill('failed provider_disabled'));
  });

  it('refuses a wrong configuration at once, and never logs the private key', async () => {
    const config = webPushConfig();
    startPool({ threadModule: faultyThread, respawnDelayMs: 10, providers: [webPushSetup(config)] });
    await sendAll(faultyBatch('crash'));
    await pool.close();
    assert.ok(log.length > 0);
    assert.ok(!log.join('\n').includes(config.vapid_private_key));
    assert.throws(
      () => startPool({ providers: [webPushSetup({ ...config, subject: 'nobody' })] }),
      /push_notifications\.webpush\.subject must be a contact/,
    );
  });
});
