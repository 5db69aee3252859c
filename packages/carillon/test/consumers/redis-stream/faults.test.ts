import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { memoryDatabase, type TestDatabase } from '../../support/database.ts';
import { startRedis, type TestRedis, withoutRedis } from '../../support/redis.ts';
import { type Numbered, Recorder, upTo } from '../recorder.ts';
import { noteSeen, StreamPlace } from './place.ts';

const CHILD = new URL('./reader-child.ts', import.meta.url).pathname;

suite('reading Redis Streams', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  let database: TestDatabase;
  let place: StreamPlace;
  let recorder: Recorder;
  const cleanups: (() => Promise<unknown> | unknown)[] = [];
  before(async () => {
    [redis, database] = await Promise.all([startRedis({ appendfsync: 'always' }), memoryDatabase()]);
  });
  after(async () => {
    await redis.drop();
    await database.drop();
  });
  beforeEach(() => {
    place = new StreamPlace(redis, database.db);
    recorder = new Recorder();
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    await redis.command('DEL', 'seen');
    await place.drop();
  });
  const start = async (options: Parameters<StreamPlace['open']>[1] = {}, by = recorder) => {
    const consumer = await place.open(by, options);
    cleanups.push(() => consumer.close());
    await consumer.start();
    return consumer;
  };
  const until = async (condition: () => Promise<boolean>) => {
    while (!(await condition())) await setTimeout(10);
  };
  const seen = async () =>
    ((await redis.command('LRANGE', 'seen', '0', '-1')) as string[]).map(
      (text) => JSON.parse(text) as Numbered,
    );
  const assertAll = (done: readonly Numbered[], total: number) => {
    for (const number of upTo(4))
      assert.deepEqual(
        [...new Set(done.filter(({ partition }) => partition === number).map(({ n }) => n))],
        upTo(total).filter((n) => n % 4 === number),
      );
    return done.length - total;
  };
  const startChild = () => {
    const env = { ...process.env, ADDRESS: redis.address, OPTIONS: JSON.stringify(place.options()) };
    const child = spawn(process.execPath, [CHILD], { stdio: 'inherit', env });
    cleanups.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    });
    return child;
  };
  const noting = async () => {
    const client = createClient({ url: `redis://${redis.address}` });
    await client.connect();
    cleanups.push(() => client.close());
    recorder.dispatch = (_method, request) => noteSeen(client, request);
  };

  test('when a reader is killed another takes over what it left, in order, and nothing is lost', async (context) => {
    const child = startChild();
    await until(
      async () =>
        (await redis.command('EXISTS', `carillon:consumer:${place.group}:${place.streams[3]}`)) === 1,
    );
    await noting();
    await start();
    assert.match(recorder.logged.join('\n'), /another server reads the stream, this one stands by/);
    await place.putNumbered(4_000);
    await until(async () => (await seen()).length >= 200);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const killed = performance.now();
    await recorder.until(() => recorder.processed > 0);
    context.diagnostic(`took over after ${Math.round(performance.now() - killed)} ms`);
    await until(async () => new Set((await seen()).map(({ n }) => n)).size === 4_000);
    context.diagnostic(`${assertAll(await seen(), 4_000)} of 4000 were repeated`);
  });

  test('a reader that was frozen longer than its lease begins nothing more when it thaws', async () => {
    const child = startChild();
    await until(
      async () =>
        (await redis.command('EXISTS', `carillon:consumer:${place.group}:${place.streams[3]}`)) === 1,
    );
    await noting();
    await start();
    child.kill('SIGSTOP');
    await place.putNumbered(400);
    await recorder.until(() => recorder.processed === 400);
    child.kill('SIGCONT');
    await place.putNumbered(400, 400);
    await recorder.until(() => recorder.processed === 800);
    assert.equal(assertAll(await seen(), 800), 0);
  });

  test('Redis killed and started again: what it has kept is carried out, in order', async () => {
    await start();
    for (const turn of upTo(3)) {
      await place.putNumbered(400, turn * 400);
      await recorder.until(() => recorder.processed > turn * 400);
      await redis.kill();
      await redis.start();
    }
    await recorder.until(() => new Set(recorder.order()).size === 1_200);
    assertAll(recorder.done, 1_200);
  });

  test('entries are deleted once they are settled, when told so, and kept otherwise', async () => {
    const first = await start();
    await place.putNumbered(40);
    await recorder.until(() => recorder.processed === 40);
    await first.close();
    assert.equal(await place.length(), 40);
    await start({ delete_settled: true });
    await place.putNumbered(40, 40);
    await until(async () => (await place.length()) === 40);
    assert.equal(recorder.processed, 80);
  });

  test('what a reader under another name took and left is claimed after the visibility timeout', async () => {
    const [stream = ''] = place.streams;
    await redis.command('XGROUP', 'CREATE', stream, place.group, '0', 'MKSTREAM');
    await place.putNumbered(4);
    const args = ['GROUP', place.group, 'other', 'COUNT', '10', 'STREAMS', stream, '>'];
    await redis.command('XREADGROUP', ...args);
    await start();
    await recorder.until(() => recorder.processed === 4);
    assert.deepEqual(recorder.order(0), [0]);
    await until(async () => (await place.pending()) === 0);
  });

  test('in publication data mode fields say what the payload is published with', async () => {
    const { publication_data_mode: mode } = place.options();
    await start({ publication_data_mode: { ...mode, enabled: true } });
    await place.add([
      { fields: ['payload', '{"n":1}', 'centrifugo-channels', 'a,b', 'centrifugo-tag-x', 'y'] },
      { fields: ['payload', '{"n":2}'] },
      { fields: ['other', 'x'] },
    ]);
    await recorder.until(() => recorder.processed === 3);
    assert.deepEqual(
      recorder.done.map(({ method }) => method),
      ['broadcast'],
    );
    assert.deepEqual(
      (await place.parked()).map(({ reason }) => reason),
      ['the entry has no field payload'],
    );
  });

  test('a Redis that cannot be reached stops the start', async () => {
    const consumer = await place.open(recorder, { address: '127.0.0.1:1' });
    await assert.rejects(consumer.start(), /Redis cannot be used/);
    await consumer.close();
  });
});
