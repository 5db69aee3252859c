import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import fc from 'fast-check';
import { UnavailableError } from '../../src/errors.ts';
import type { Broker, PublishOptions } from '../../src/realtime/broker.ts';
import type { Engine } from '../../src/realtime/engine.ts';
import { MemoryBroker } from '../../src/realtime/memory-broker.ts';
import { Shards } from '../../src/realtime/redis/shards.ts';
import { RedisLink } from '../../src/storage/redis/link.ts';
import { openRedisEngine } from '../support/engine.ts';
import { startRedis, type TestRedis, withoutRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { Ear, HISTORY, json } from './conformance.ts';

const PLAIN: PublishOptions = { history: HISTORY, idempotencyKey: '', version: 0, versionEpoch: '' };

const answers = (broker: Broker) =>
  broker.ping().then(
    () => true,
    () => false,
  );

suite('the broker in Redis, on several nodes', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  const engines: Engine[] = [];
  before(async () => {
    redis = await startRedis({ appendfsync: 'always' });
  });
  after(async () => {
    for (const engine of engines) await engine.close();
    await redis?.drop();
  });
  beforeEach(() => redis.command('FLUSHALL'));

  const open = async (options: object = {}) => {
    const engine = await openRedisEngine(redis.address, { io_timeout: '400ms', ...options });
    engines.push(engine);
    const ear = new Ear();
    engine.broker.listen(ear);
    return { ...engine, ear };
  };
  const subscribers = async (channel: string) =>
    ((await redis.command('PUBSUB', 'NUMSUB', `carillon.channel.${channel}`)) as [string, number])[1];

  test('a publication comes to every node that has subscribed, and to no other', async () => {
    const [a, b, c] = [await open(), await open(), await open()];
    await b.broker.subscribe('news');
    await c.broker.subscribe('news');
    await c.broker.subscribe('other');
    await a.broker.publish('news', json(1), PLAIN);
    await a.broker.publish('other', json(2), PLAIN);
    await until(() => c.ear.publications.length === 2 && b.ear.publications.length === 1);
    assert.deepEqual(b.ear.of('news'), [{ ...json(1), offset: 1 }]);
    assert.equal(a.ear.publications.length, 0);
  });

  test('many nodes publish at once: offsets have no gap, and every node hears the same order', async () => {
    const nodes = [await open(), await open(), await open()];
    for (const { broker } of nodes) await broker.subscribe('busy');
    await Promise.all(
      nodes.flatMap(({ broker }, node) =>
        Array.from({ length: 100 }, (_, n) => broker.publish('busy', json([node, n]), PLAIN)),
      ),
    );
    const heard = Array.from({ length: 300 }, (_, n) => n + 1);
    for (const { ear } of nodes) {
      await until(() => ear.of('busy').length === 300);
      assert.deepEqual(
        ear.of('busy').map(({ offset }) => offset),
        heard,
      );
      assert.deepEqual(ear.of('busy'), nodes[0]?.ear.of('busy'));
    }
  });

  test('what is subscribed and unsubscribed in any order ends as the last word says', async () => {
    const { broker } = await open();
    const first = broker.subscribe('a');
    broker.unsubscribe('a');
    const second = broker.subscribe('a');
    await Promise.all([first, second]);
    assert.equal(await subscribers('a'), 1);
    broker.unsubscribe('a');
    await until(async () => (await subscribers('a')) === 0);
    await Promise.all([broker.subscribe('a'), broker.subscribe('a')]);
    broker.unsubscribe('a');
    void broker.subscribe('a');
    broker.unsubscribe('a');
    await broker.subscribe('b');
    await until(async () => (await subscribers('a')) === 0);
    assert.equal(await subscribers('b'), 1);
  });

  test('a message that cannot be read is left out, told of without its content, and ends nothing', async (t) => {
    const logged: string[] = [];
    const note = (fields: object, words: string) => void logged.push(`${words} ${JSON.stringify(fields)}`);
    const link = await RedisLink.open({
      address: redis.address,
      purpose: 'test',
      logger: { info: note, error: note },
    });
    t.after(() => link.close());
    const heard: unknown[] = [];
    await link.subscribe(['news'], (message) => heard.push(JSON.parse(message)));
    await redis.command('PUBLISH', 'news', 'secret');
    await redis.command('PUBLISH', 'news', '1');
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [1]);
    assert.ok(link.isReady);
    assert.deepEqual(logged, [
      'a message of Redis could not be taken, and is left out {"purpose":"test","channel":"news","reason":"it is not ours"}',
    ]);
  });

  test('10 000 channels are subscribed at once', async () => {
    const { broker, ear } = await open();
    const names = Array.from({ length: 10_000 }, (_, n) => `many:${n}`);
    await Promise.all(names.map((name) => broker.subscribe(name)));
    await broker.publish('many:9999', json(1), PLAIN);
    await until(() => ear.of('many:9999').length === 1);
    for (const name of names) broker.unsubscribe(name);
    await until(async () => (await subscribers('many:9999')) === 0);
  });

  test('killed and started again, Redis has all that was acknowledged; nodes hear again, and are told that they may have missed something', async () => {
    const [a, b] = [await open(), await open()];
    await b.broker.subscribe('kept');
    for (let n = 1; n <= 50; n++)
      await a.broker.publish('kept', json(n), { ...PLAIN, history: { ...HISTORY, size: 100 } });
    await redis.kill();
    await assert.rejects(a.broker.publish('kept', json(51), PLAIN), UnavailableError);
    await assert.rejects(a.broker.ping(), UnavailableError);
    await assert.rejects(b.broker.subscribe('late'), UnavailableError);
    b.broker.unsubscribe('late');
    await redis.start();
    await until(() => b.ear.interruptions.length > 0);
    assert.deepEqual(b.ear.interruptions, [['kept']]);
    await until(() => answers(a.broker));
    await until(() => answers(b.broker));
    const { publications } = await b.broker.history('kept', { limit: -1, reverse: false }, HISTORY);
    assert.equal(publications.length, 50);
    assert.equal((await a.broker.publish('kept', json(51), PLAIN))?.offset, 51);
    await until(() => b.ear.of('kept').at(-1)?.offset === 51);
    assert.equal(await subscribers('late'), 0);
  });

  test('a Redis that hangs is given up within the time limit, and taken up again when it goes on', async () => {
    const [a, b] = [await open(), await open()];
    await b.broker.subscribe('hanging');
    redis.pause(true);
    await Promise.all([
      assert.rejects(a.broker.publish('hanging', json(1), PLAIN), UnavailableError),
      assert.rejects(b.broker.subscribe('other'), UnavailableError),
    ]);
    redis.pause(false);
    await until(() => b.ear.interruptions.length > 0);
    await until(() => answers(a.broker));
    await a.broker.publish('hanging', json(2), { ...PLAIN, history: { size: 0, ttl: 0, metaTtl: 0 } });
    await until(() => b.ear.of('hanging').some(({ offset }) => offset === 0));
  });

  test('an address where nobody answers fails the start', async () => {
    await assert.rejects(openRedisEngine('127.0.0.1:1'), UnavailableError);
  });

  test('presence that is not renewed expires, also where nobody reads it, and renewed it stays', async () => {
    const { presence } = await open({ presence_ttl: '300ms' });
    await presence.add('room', { user: 'dead', client: 'c1' });
    let renewals = 0;
    await until(async () => {
      await presence.add('room', { user: 'alive', client: 'c2' });
      renewals += 1;
      return Object.keys(await presence.of('room')).length === 1;
    });
    assert.ok(renewals > 1);
    assert.deepEqual(await presence.of('room'), { c2: { user: 'alive', client: 'c2' } });
    assert.deepEqual(await presence.stats('room'), { num_clients: 1, num_users: 1 });
    await presence.add('unread', { user: 'dead', client: 'c1' });
    await until(async () => {
      await presence.add('unread', { user: 'alive', client: 'c2' });
      return (await redis.command('HLEN', 'carillon.presence.{unread}')) === 1;
    });
  });

  test('any sequence of calls is answered as by the broker in memory', async () => {
    const { broker } = await open();
    const publish = fc.record({
      kind: fc.constant('publish' as const),
      version: fc.nat(3),
      versionEpoch: fc.constantFrom('', 'e', 'f'),
      idempotencyKey: fc.constantFrom('', '', 'k', 'l'),
      skip: fc.boolean(),
    });
    const history = fc.record({
      kind: fc.constant('history' as const),
      limit: fc.integer({ min: -1, max: 4 }),
      since: fc.option(fc.nat(8), { nil: undefined }),
      reverse: fc.boolean(),
    });
    const remove = fc.record({ kind: fc.constant('remove' as const) });
    type Step =
      typeof publish extends fc.Arbitrary<infer P>
        ? P | (typeof history extends fc.Arbitrary<infer H> ? H : never) | { kind: 'remove' }
        : never;
    const small = { ...HISTORY, size: 3 };
    const play = async (on: Broker, channel: string, steps: readonly Step[]) => {
      const seen: unknown[] = [];
      for (const [index, step] of steps.entries()) {
        if (step.kind === 'remove') await on.removeHistory(channel);
        else if (step.kind === 'publish') {
          const { version, versionEpoch, idempotencyKey, skip } = step;
          const options = { history: skip ? { size: 0, ttl: 0, metaTtl: 0 } : small, idempotencyKey };
          const position = await on.publish(channel, json(index), { ...options, version, versionEpoch });
          seen.push(position?.offset);
        } else {
          const since = step.since === undefined ? undefined : { offset: step.since, epoch: '' };
          const { limit, reverse } = step;
          const { publications, offset } = await on.history(channel, { since, limit, reverse }, small);
          seen.push([offset, publications]);
        }
      }
      return seen;
    };
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(publish, publish, history, remove), { maxLength: 20 }),
        async (steps) => {
          const memory = new MemoryBroker();
          run += 1;
          assert.deepEqual(await play(broker, `run:${run}`, steps), await play(memory, 'run', steps));
          await memory.close();
        },
      ),
      { numRuns: 150 },
    );
  });
});

suite('nodes on two servers of Redis, listed in different order', { skip: withoutRedis }, () => {
  const servers: TestRedis[] = [];
  const engines: Engine[] = [];
  const names = Array.from({ length: 200 }, (_, n) => `room:${n}`);
  before(async () => {
    servers.push(await startRedis(), await startRedis());
    const addresses = servers.map(({ address }) => address);
    for (const list of [addresses, addresses.toReversed()])
      engines.push(await openRedisEngine(list, { io_timeout: '400ms' }));
  });
  after(async () => {
    for (const engine of engines) await engine.close();
    for (const server of servers) await server.drop();
  });
  const keysOf = async (kind: string) => {
    const lists = servers.map((server) => server.command('KEYS', `carillon.${kind}.*`));
    return (await Promise.all(lists)) as string[][];
  };

  test('streams and presence are spread over both, each channel at one, and both nodes look for it there', async () => {
    const [a, b] = engines as [Engine, Engine];
    const ear = new Ear();
    b.broker.listen(ear);
    await Promise.all(names.map((name) => b.broker.subscribe(name)));
    await a.broker.publishMany(names, json(1), PLAIN);
    await a.presence.add('room:0', { user: 'u', client: 'c' });
    await until(() => names.every((name) => ear.of(name).length === 1));
    for (const name of names) {
      const { publications } = await b.broker.history(name, { limit: -1, reverse: false }, HISTORY);
      assert.equal(publications.length, 1, name);
    }
    assert.deepEqual(Object.keys(await b.presence.of('room:0')), ['c']);
    const [one, other] = (await keysOf('stream')) as [string[], string[]];
    assert.equal(one.length + other.length, names.length);
    assert.ok(one.length > 60 && other.length > 60, `${one.length} and ${other.length} of 200`);
    assert.equal((await keysOf('presence')).flat().length, 1);
  });

  test('the nodes hear each other', async () => {
    const heard: string[][] = [[], []];
    for (const [index, { bus }] of engines.entries()) {
      await bus?.open(
        `node ${index}`,
        (message) => heard[index]?.push(message),
        () => {},
      );
    }
    assert.equal(await engines[0]?.bus?.toAll('hello'), 2);
    assert.equal(await engines[0]?.bus?.to('node 1', 'you'), true);
    await until(() => heard[1]?.length === 2);
    assert.deepEqual(heard[1], ['hello', 'you']);
  });

  test('while one is away its channels cannot be used, and those of the other go on', async () => {
    const { broker } = engines[0] as Engine;
    const gone = new Set(((await keysOf('stream')) as [string[], string[]])[1]);
    await servers[1]?.kill();
    await until(async () => !(await answers(broker)));
    for (const name of names.slice(0, 20)) {
      const publish = broker.publish(name, json(2), PLAIN);
      if (gone.has(`carillon.stream.{${name}}`)) await assert.rejects(publish, UnavailableError);
      else assert.equal((await publish)?.offset, 2);
    }
  });
});

suite('which of several servers of Redis has a channel', () => {
  const names = Array.from({ length: 3_000 }, (_, n) => `room:${n}`);
  const shards = (...all: string[]) => new Shards(all.map((name) => ({ name, value: name })));

  test('each server has its share', () => {
    const three = shards('a:1', 'b:1', 'c:1');
    for (const server of ['a:1', 'b:1', 'c:1']) {
      const share = names.filter((name) => three.of(name) === server).length;
      assert.ok(share > 850 && share < 1_150, `${server} has ${share} of 3000`);
    }
  });

  test('a server that comes takes channels and moves no other; the order of addresses does not matter', () => {
    const three = shards('a:1', 'b:1', 'c:1');
    const four = shards('d:1', 'c:1', 'a:1', 'b:1');
    const moved = names.filter((name) => three.of(name) !== four.of(name));
    assert.ok(moved.every((name) => four.of(name) === 'd:1'));
    assert.ok(moved.length > 600 && moved.length < 900, `${moved.length} of 3000 moved`);
  });
});
