import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Centrifuge, PublicationContext } from 'centrifuge';
import type { BrokerListener } from '../../src/realtime/broker.ts';
import type { Engine } from '../../src/realtime/engine.ts';
import { memoryEngine } from '../../src/realtime/engine.ts';
import { MemoryBroker } from '../../src/realtime/memory-broker.ts';
import { openRedisEngine } from '../support/engine.ts';
import { connectClient, RawClient, type RealtimeServer, startRealtime, token } from '../support/realtime.ts';
import { startRedis, type TestRedis, withoutRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const NAMESPACES = [
  {
    name: 'short',
    history_size: 3,
    history_ttl: '60s',
    force_recovery: true,
    allow_subscribe_for_client: true,
  },
  { name: 'loose', history_size: 100, history_ttl: '60s', allow_subscribe_for_client: true },
];

async function listen(client: Centrifuge, channel: string) {
  const subscription = client.newSubscription(channel, { minResubscribeDelay: 1, maxResubscribeDelay: 20 });
  const seen: PublicationContext[] = [];
  const states: string[] = [];
  subscription.on('publication', (context) => seen.push(context));
  subscription.on('subscribing', ({ code }) => states.push(`subscribing ${code}`));
  subscription.on('subscribed', ({ recovered, wasRecovering }) =>
    states.push(`subscribed ${wasRecovering ? (recovered ? 'recovered' : 'not recovered') : ''}`.trim()),
  );
  subscription.subscribe();
  await subscription.ready(5_000);
  states.length = 0;
  return { seen, states, numbers: () => seen.map(({ data }) => data.n as number) };
}

const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

suite('a node that has not heard of publications', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  let engines: Engine[];
  let near: RealtimeServer;
  let far: RealtimeServer;
  let client: Centrifuge;
  before(async () => {
    redis = await startRedis();
    engines = await Promise.all([openRedisEngine(redis.address), openRedisEngine(redis.address)]);
    [near, far] = (await Promise.all(
      engines.map((engine) => startRealtime({ engine, namespaces: NAMESPACES })),
    )) as [RealtimeServer, RealtimeServer];
    client = await connectClient(near.url);
  });
  after(async () => {
    client?.disconnect();
    await near?.close();
    await far?.close();
    for (const engine of engines ?? []) await engine.close();
    await redis?.drop();
  });

  test('reads them from the stream when its connection is back: the client notices nothing', async () => {
    const { numbers, states } = await listen(client, 'news:cut');
    let n = 0;
    for (let round = 0; round < 5; round++) {
      for (let count = 0; count < 10; count++) {
        n += 1;
        if (count === 3) await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await far.publish('news:cut', { n });
      }
    }
    await until(() => numbers().length >= n);
    assert.deepEqual(numbers(), upTo(n));
    assert.deepEqual(states, []);
  });

  test('tells the client to start over when the stream has no longer all of them', async () => {
    const { numbers, states } = await listen(client, 'short:cut');
    await far.publish('short:cut', { n: 1 });
    await until(() => numbers().length === 1);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    for (const n of [2, 3, 4, 5, 6]) await far.publish('short:cut', { n });
    await until(() => states.length === 2 || numbers().length === 6);
    // It may have been back in time for the first of them.
    if (states.length > 0) {
      assert.deepEqual(states, ['subscribing 2500', 'subscribed not recovered']);
      await far.publish('short:cut', { n: 7 });
      await until(() => numbers().at(-1) === 7);
    }
  });

  test('tells the client to start over when the stream is another one', async () => {
    const { numbers, states } = await listen(client, 'news:other');
    await far.publish('news:other', { n: 1 });
    await until(() => numbers().length === 1);
    await redis.command('FLUSHALL');
    await far.publish('news:other', { n: 2 });
    await until(() => states.length === 2);
    assert.deepEqual(states, ['subscribing 2500', 'subscribed not recovered']);
    await far.publish('news:other', { n: 3 });
    await until(() => numbers().at(-1) === 3);
  });

  test('leaves subscriptions without a position as they are', async () => {
    const { numbers, states } = await listen(client, 'loose:cut');
    await far.publish('loose:cut', { n: 1 });
    await until(() => numbers().length === 1);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(async () => {
      await far.publish('loose:cut', { n: 2 });
      return numbers().includes(2);
    });
    assert.deepEqual(states, []);
  });
});

/** Lets some publications not come. */
class LossyBroker extends MemoryBroker {
  loses: (offset: number) => boolean = () => false;
  /** Runs once, between reading a stream and giving back what was read. */
  meanwhile: (() => Promise<void>) | undefined;
  listener: BrokerListener | undefined;

  override async history(
    ...request: Parameters<MemoryBroker['history']>
  ): ReturnType<MemoryBroker['history']> {
    const result = await super.history(...request);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    await meanwhile?.();
    return result;
  }

  override listen(listener: BrokerListener): void {
    this.listener = listener;
    super.listen({
      onPublication: (channel, publication, epoch) => {
        if (!this.loses(publication.offset)) listener.onPublication(channel, publication, epoch);
      },
      onAnnouncement: (...announcement) => listener.onAnnouncement(...announcement),
      onInterruption: (channels) => listener.onInterruption(channels),
    });
  }
}

suite('a gap in the offsets', () => {
  const start = async (options: object = {}) => {
    const broker = new LossyBroker();
    const server = await startRealtime({
      engine: { ...memoryEngine(), broker },
      namespaces: NAMESPACES,
      ...options,
    });
    const client = await connectClient(server.url);
    return {
      broker,
      server,
      client,
      async close() {
        client.disconnect();
        await server.close();
        await broker.close();
      },
    };
  };

  test('is filled from the stream, and what came meanwhile follows in order', async () => {
    const { broker, server, client, close } = await start();
    const { numbers, states } = await listen(client, 'news:gap');
    broker.loses = (offset) => offset % 3 === 2;
    for (const n of upTo(30)) await server.publish('news:gap', { n });
    broker.loses = () => false;
    await server.publish('news:gap', { n: 31 });
    await until(() => numbers().length >= 31);
    assert.deepEqual(numbers(), upTo(31));
    assert.deepEqual(states, []);
    await close();
  });

  test('at the end of what was published is found by the position check', async () => {
    const { broker, server, client, close } = await start({
      client: { presence_update_interval: '50ms', channel_position_check_delay: '50ms' },
    });
    const { numbers, states } = await listen(client, 'news:end');
    broker.loses = (offset) => offset > 1;
    for (const n of upTo(3)) await server.publish('news:end', { n });
    await until(() => numbers().length >= 3);
    assert.deepEqual(numbers(), upTo(3));
    assert.deepEqual(states, []);
    await close();
  });

  test('while a subscription starts is filled once it has its reply', async () => {
    const { broker, server, client, close } = await start();
    broker.meanwhile = async () => {
      broker.loses = () => true;
      await server.publish('news:starting', { n: 1 });
      broker.loses = () => false;
      broker.listener?.onInterruption(['news:starting']);
    };
    const { numbers, states } = await listen(client, 'news:starting');
    await until(() => numbers().length === 1);
    assert.deepEqual(numbers(), [1]);
    assert.deepEqual(states, []);
    await close();
  });

  test('is what a subscription has when more is published while it starts than may wait for it', async () => {
    const { broker, server, client, close } = await start();
    broker.meanwhile = async () => {
      for (const n of upTo(4_100)) await server.publish('news:flood', { n });
    };
    const { numbers, states } = await listen(client, 'news:flood');
    await until(() => numbers().length === 4_100);
    assert.deepEqual(numbers(), upTo(4_100));
    assert.deepEqual(states, []);
    broker.meanwhile = async () => {
      for (const n of upTo(5_000)) await server.publish('news:more', { n });
    };
    const more = await listen(client, 'news:more');
    await until(() => more.states.length === 2);
    assert.deepEqual(more.states, ['subscribing 2500', 'subscribed not recovered']);
    assert.deepEqual(more.numbers(), upTo(4_096));
    await close();
  });

  test('that cannot be filled ends the subscription with 2500, and the client starts over', async () => {
    const { broker, server, client, close } = await start();
    const { numbers, states } = await listen(client, 'short:gap');
    broker.loses = (offset) => offset > 1 && offset < 8;
    for (const n of upTo(8)) await server.publish('short:gap', { n });
    await until(() => states.length === 2);
    assert.deepEqual(states, ['subscribing 2500', 'subscribed not recovered']);
    await server.publish('short:gap', { n: 9 });
    await until(() => numbers().at(-1) === 9);
    assert.deepEqual(numbers(), [1, 9]);
    await close();
  });

  test('that cannot be filled in a channel that the server subscribed closes with 3010, and is told at connect', async () => {
    const { broker, server, close } = await start();
    const claims = { sub: 'server', channels: ['short:server'] };
    const client = await RawClient.connected(server.url, claims);
    broker.loses = (offset) => offset < 8;
    for (const n of upTo(8)) await server.publish('short:server', { n });
    assert.deepEqual(await client.closed(), { code: 3010, reason: 'insufficient state' });
    const again = await RawClient.open(server.url);
    const subs = { 'short:server': { recover: true, offset: 0, epoch: '' } };
    again.send({ id: 1, connect: { token: await token(claims), subs } });
    const { connect } = (await again.next()) as {
      connect: { subs: Record<string, Record<string, unknown>> };
    };
    const { was_recovering, recovered, offset } = connect.subs['short:server'] ?? {};
    assert.deepEqual([was_recovering, recovered, offset], [true, undefined, 8]);
    again.socket.close();
    await close();
  });
});
