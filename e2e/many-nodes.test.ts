import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startRedis, type TestRedis } from '../packages/carillon/test/support/redis.ts';
import { until } from '../packages/carillon/test/support/until.ts';
import { API_KEY, type NodeCluster, startNodeCluster } from './support/node-cluster.ts';
import { missing } from './support/requires.ts';
import { Listener, Traffic } from './support/traffic.ts';

const CHANNELS = Array.from({ length: 8 }, (_, n) => `news:${n}`);
const LISTENERS = 18;
const CHANNELS_OF_EACH = 3;

suite('three nodes of Carillon on one Redis', { skip: missing('redis') }, () => {
  let redis: TestRedis;
  let cluster: NodeCluster;
  before(async () => {
    redis = await startRedis({ appendfsync: 'always' });
    cluster = await startNodeCluster(3, {
      engine: { type: 'redis', redis: { address: redis.address } },
      client: { insecure: true, recovery_max_publication_limit: 100_000 },
      log: { level: 'info' },
      channel: {
        namespaces: [{ name: 'news', history_size: 100_000, history_ttl: '600s', force_recovery: true }],
      },
    });
  });
  after(async () => {
    await cluster?.close();
    await redis?.drop();
  });

  test('nothing is lost, doubled or out of order while nodes and Redis are killed and started again under traffic', async () => {
    const listeners = Array.from(
      { length: LISTENERS },
      (_, n) =>
        new Listener(
          cluster.balancer,
          Array.from({ length: CHANNELS_OF_EACH }, (_, k) => CHANNELS[(n + k) % CHANNELS.length] as string),
        ),
    );
    await Promise.all(listeners.map((listener) => listener.connect()));
    const traffic = new Traffic(cluster, CHANNELS);
    traffic.start();
    const more = async (count: number) => {
      const from = traffic.accepted;
      await until(() => traffic.accepted >= from + count);
    };
    await more(200);
    const crashes = [
      () => cluster.nodes[0]?.kill(),
      async () => {
        for (let n = 0; n < 20; n++) {
          await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
          await more(10);
        }
      },
      async () => {
        await redis.kill();
        await redis.start();
      },
      () => cluster.start(),
      async () => {
        await cluster.nodes[1]?.kill();
        await redis.kill();
        await redis.start();
        await cluster.start();
      },
    ];
    for (const crash of crashes) {
      await crash();
      await more(200);
    }
    await traffic.stop();
    await until(() => listeners.every((listener) => listener.isComplete(traffic.last)));
    assert.deepEqual(
      listeners.flatMap(({ problems }) => problems),
      [],
    );
    assert.ok(traffic.refused > 0, 'the crashes were felt');
    assert.ok(listeners.some(({ reconnects }) => reconnects > 0));
    for (const listener of listeners) listener.close();
  });

  test('after that all nodes know each other, and a call at one of them reaches a client of another', async () => {
    const call = async (url: string | undefined, method: string, request: object) => {
      const response = await fetch(`${url}/api/${method}`, {
        method: 'POST',
        headers: { 'X-API-Key': API_KEY },
        body: JSON.stringify(request),
      });
      return (await response.json()) as { result?: { nodes?: object[]; channels?: object } };
    };
    // Those that were killed are known for ten seconds more.
    for (const { url } of cluster.nodes)
      await until(async () => (await call(url, 'info', {})).result?.nodes?.length === 3);
    const listener = new Listener(cluster.balancer, ['news:last']);
    await listener.connect();
    for (const { url } of cluster.nodes) {
      const { result } = await call(url, 'channels', {});
      assert.deepEqual(result?.channels, { 'news:last': { num_clients: 1 } });
    }
    listener.close();
  });
});
