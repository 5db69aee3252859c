import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { UnavailableError } from '../../src/errors.ts';
import { type Job, QueueFullError } from '../../src/push/queue/queue.ts';
import { openRedisQueue } from '../../src/push/queue/redis.ts';
import type { StoredPush } from '../../src/push/queue/stored-push.ts';
import { openRedis } from '../support/queue.ts';
import { silent } from '../support/realtime.ts';
import { startRedis, type TestRedis, withoutRedis } from '../support/redis.ts';

const push = (uid: string) => ({ uid, acceptedAt: 0 }) as StoredPush;
const job = (uid: string, devices: string[], delayMs = 0) => ({
  lane: 'webpush' as const,
  uid,
  payload: { devices },
  delayMs,
});

suite('the push queue in Redis', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis({ appendfsync: 'always' });
  });
  after(() => redis?.drop());
  beforeEach(() => redis.command('FLUSHALL'));

  const ttl = async (uid: string) => {
    const client = createClient({ url: `redis://${redis.address}` });
    await client.connect();
    const answer = await client.pTTL(`{carillon.push}:push:${uid}`);
    await client.close();
    return answer;
  };

  test('a full lane refuses a push as a whole, and trims nothing', async () => {
    const queue = await openRedis(redis.address, 1_000, { max_stream_length: 3 });
    assert.equal(await queue.accept(push('a'), [job('a', ['1']), job('a', ['2'], 60_000)]), true);
    await assert.rejects(
      queue.accept(push('b'), [job('b', ['3']), job('b', ['4'])]),
      (error: Error) => error instanceof QueueFullError && /3 jobs wait in lane webpush/.test(error.message),
    );
    assert.equal(await queue.load('b'), undefined);
    assert.equal(await queue.pending('a'), 2);
    assert.equal(await queue.accept(push('c'), [job('c', ['5'])]), true);
    await queue.close();
  });

  test('a uid is kept as long as it has jobs, and a day from its acceptance after that', async () => {
    const queue = await openRedis(redis.address, 1_000);
    await queue.accept(push('u'), [job('u', ['1'])]);
    assert.equal(await ttl('u'), -1);
    const [first] = (await queue.take('webpush', 1)) as [Job];
    await queue.finish(first, { next: [job('u', ['1'], 20)] });
    assert.equal(await ttl('u'), -1);
    let next: Job | undefined;
    while (!next) [next] = await queue.take('webpush', 1);
    await queue.finish(next);
    const left = await ttl('u');
    assert.ok(left > 23.9 * 3_600_000 && left <= 24 * 3_600_000, `${left} ms`);
    await queue.close();
  });

  test('killed and started again, Redis has every job that was acknowledged, and the queue goes on by itself', async () => {
    const queue = await openRedis(redis.address, 1_000);
    let woken = () => {};
    const back = new Promise<void>((resolve) => {
      woken = resolve;
    });
    await queue.onReady((lane) => lane === undefined && woken());
    for (let n = 0; n < 200; n++) await queue.accept(push(`p${n}`), [job(`p${n}`, ['1'])]);
    const [leased] = (await queue.take('webpush', 1)) as [Job];
    await redis.kill();
    await assert.rejects(queue.accept(push('late'), [job('late', ['1'])]), UnavailableError);
    await assert.rejects(queue.ping(), /Redis cannot be used/);
    await redis.start();
    await back;
    const answers = () =>
      queue.ping().then(
        () => true,
        () => false,
      );
    while (!(await answers())) await setImmediate();
    await queue.finish(leased);
    const uids = new Set([leased.uid]);
    for (const one of await queue.take('webpush', 500)) uids.add(one.uid);
    assert.equal(uids.size, 200);
    await queue.close();
  });

  test('a Redis that does not answer at the start is named, and nothing hangs', async () => {
    await assert.rejects(openRedis('127.0.0.1:1', 1_000), /Redis cannot be used: .*ECONNREFUSED/);
  });

  test('a Redis without a log on disk is warned about', async () => {
    const warnings: string[] = [];
    const logger = { ...silent, warn: (_fields: object, message: string) => warnings.push(message) };
    const options = {
      address: redis.address,
      prefix: 'x',
      max_stream_length: 10,
      workerId: 'w',
      leaseMs: 1_000,
      logger,
    };
    const durable = await openRedisQueue(options);
    assert.deepEqual(warnings, []);
    await durable.close();
    await redis.command('CONFIG', 'SET', 'appendonly', 'no');
    const forgetful = await openRedisQueue(options);
    assert.match(warnings[0] ?? '', /set appendonly yes/);
    await forgetful.close();
    await redis.command('CONFIG', 'SET', 'appendonly', 'yes');
  });
});
