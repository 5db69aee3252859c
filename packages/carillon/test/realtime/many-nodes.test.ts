import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Centrifuge, type PublicationContext } from 'centrifuge';
import { connectClient, SECRET, token } from '../support/realtime.ts';
import { startRedis, type TestRedis, withoutRedis } from '../support/redis.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

type Answer = { result: Record<string, unknown>; error?: { code: number; message: string } };

suite('many nodes on one Redis', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  let a: TestServer;
  let b: TestServer;
  let c: TestServer;
  const clients: Centrifuge[] = [];
  const start = (more: object = {}) =>
    startServer({
      engine: { type: 'redis', redis: { address: redis.address, io_timeout: '1s' } },
      http_stream: { enabled: true },
      health: { enabled: true },
      client: {
        token: { hmac_secret_key: SECRET },
        user_connection_limit: 2,
        ping_interval: '2s',
        pong_timeout: '1s',
        presence_update_interval: '200ms',
        ...more,
      },
      channel: {
        namespaces: [
          {
            name: 'news',
            history_size: 100,
            history_ttl: '60s',
            force_recovery: true,
            allow_subscribe_for_client: true,
          },
          {
            name: 'open',
            allow_subscribe_for_client: true,
            allow_publish_for_subscriber: true,
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
          },
        ],
      },
    });
  before(async () => {
    redis = await startRedis();
    [a, b, c] = await Promise.all([start(), start(), start()]);
  });
  after(async () => {
    for (const client of clients) client.disconnect();
    for (const server of [a, b, c]) await server?.close();
    await redis?.drop();
  });

  const connect = async (server: TestServer, user: string, claims: object = {}) => {
    const client = await connectClient(`ws://127.0.0.1:${server.carillon.port}/connection/websocket`, {
      token: await token({ sub: user, ...claims }),
    });
    clients.push(client);
    return client;
  };
  const listen = async (client: Centrifuge, channel: string) => {
    const subscription = client.newSubscription(channel);
    const seen: PublicationContext[] = [];
    const people: string[] = [];
    subscription.on('publication', (context) => seen.push(context));
    subscription.on('join', ({ info }) => people.push(`+${info.user}`));
    subscription.on('leave', ({ info }) => people.push(`-${info.user}`));
    subscription.subscribe();
    await subscription.ready(5_000);
    return { subscription, seen, people };
  };
  const call = async (server: TestServer, method: string, request: object) =>
    (await server.call(method, request)) as Answer;

  test('a user with a single connection has it at the newest node', async () => {
    const own = { subscribe_to_user_personal_channel: { enabled: true, single_connection: true } };
    const [one, two] = await Promise.all([start(own), start(own)]);
    const first = await connect(one, 'single');
    const ended = new Promise<number>((resolve) => first.on('disconnected', ({ code }) => resolve(code)));
    const second = await connect(two, 'single');
    assert.equal(await ended, 3504);
    assert.equal(second.state, 'connected');
    for (const server of [one, two]) await server.close();
  });

  test('what is published at one node comes to the clients of all, single and in a broadcast', async () => {
    const [onA, onB, onC] = [await connect(a, 'ann'), await connect(b, 'bob'), await connect(c, 'cem')];
    const heard = [await listen(onA, 'news:1'), await listen(onB, 'news:1'), await listen(onC, 'news:2')];
    const { result } = await call(a, 'publish', { channel: 'news:1', data: { n: 1 }, tags: { t: 'x' } });
    assert.equal(result.offset, 1);
    const { result: broadcast } = await call(c, 'broadcast', {
      channels: ['news:1', 'news:2'],
      data: { n: 2 },
    });
    assert.deepEqual(
      (broadcast.responses as Answer[]).map((response) => response.result.offset),
      [2, 1],
    );
    await until(() => heard.map(({ seen }) => seen.length).join() === '2,2,1');
    assert.deepEqual(
      heard.map(({ seen }) => seen.map(({ data, offset }) => [data.n, offset])),
      [
        [
          [1, 1],
          [2, 2],
        ],
        [
          [1, 1],
          [2, 2],
        ],
        [[2, 1]],
      ],
    );
    assert.deepEqual(heard[1]?.seen[0]?.tags, { t: 'x' });
    const history = await call(b, 'history', { channel: 'news:1', limit: 10 });
    assert.equal((history.result.publications as object[]).length, 2);
    assert.equal(history.result.epoch, result.epoch);
  });

  test('who is in a channel, who comes and who goes, is the same on all nodes', async () => {
    const [onA, onB] = [await connect(a, 'dan'), await connect(b, 'eva')];
    const first = await listen(onA, 'open:1');
    const second = await listen(onB, 'open:1');
    await until(() => first.people.includes('+eva'));
    for (const server of [a, b, c]) {
      const { result } = await call(server, 'presence_stats', { channel: 'open:1' });
      assert.deepEqual(result, { num_clients: 2, num_users: 2 });
    }
    await second.subscription.publish({ from: 'eva' });
    await until(() => first.seen.length === 1);
    assert.equal(first.seen[0]?.info?.user, 'eva');
    onB.disconnect();
    await until(() => first.people.includes('-eva'));
    const { result } = await call(c, 'presence', { channel: 'open:1' });
    assert.deepEqual(
      Object.values(result.presence as Record<string, { user: string }>).map(({ user }) => user),
      ['dan'],
    );
  });

  test('subscribe, unsubscribe, refresh and disconnect at one node reach the connections of a user on others', async () => {
    const exp = Math.floor(Date.now() / 1000) + 600;
    const [onB, onC] = [await connect(b, 'fay', { exp }), await connect(c, 'fay', { exp })];
    const told: string[] = [];
    for (const client of [onB, onC]) {
      client.on('subscribed', ({ channel, data }) => told.push(`subscribed ${channel} ${data.why}`));
      client.on('unsubscribed', ({ channel }) => told.push(`unsubscribed ${channel}`));
      client.on('publication', ({ data }) => told.push(`heard ${data.n}`));
      client.on('disconnected', ({ code }) => told.push(`disconnected ${code}`));
    }
    const heard = async (what: string) => {
      await until(() => told.length === 2);
      assert.deepEqual(told.splice(0), [what, what]);
    };
    const who = { user: 'fay', channel: 'news:live' };
    assert.deepEqual(await call(a, 'subscribe', { ...who, data: { why: 'api' } }), { result: {} });
    await heard('subscribed news:live api');
    await call(a, 'publish', { channel: 'news:live', data: { n: 1 } });
    await heard('heard 1');
    await call(a, 'unsubscribe', who);
    await heard('unsubscribed news:live');
    await call(a, 'refresh', { user: 'fay', expire_at: exp + 600 });
    const spared = (onC as unknown as { _client: string })._client;
    await call(a, 'disconnect', { user: 'fay', whitelist: [spared] });
    await until(() => told.length === 1);
    await call(a, 'disconnect', { user: 'fay', disconnect: { code: 4_501, reason: 'enough' } });
    await until(() => told.length === 2);
    assert.deepEqual(told, ['disconnected 3503', 'disconnected 4501']);
  });

  test('a node hears of a channel from its first subscriber to its last', async () => {
    const hearing = async () =>
      ((await redis.command('PUBSUB', 'NUMSUB', 'carillon.channel.news:heard')) as [string, number])[1];
    const [one, two, far] = [await connect(a, 'lea'), await connect(a, 'mia'), await connect(b, 'noa')];
    assert.equal(await hearing(), 0);
    const first = await listen(one, 'news:heard');
    await listen(two, 'news:heard');
    assert.equal(await hearing(), 1);
    const third = await listen(far, 'news:heard');
    assert.equal(await hearing(), 2);
    third.subscription.unsubscribe();
    await until(async () => (await hearing()) === 1);
    first.subscription.unsubscribe();
    two.disconnect();
    await until(async () => (await hearing()) === 0);
  });

  test('commands of an emulated connection may come to any node', async () => {
    const at = (server: TestServer, path: string) => `http://127.0.0.1:${server.carillon.port}${path}`;
    const client = new Centrifuge(
      [{ transport: 'http_stream', endpoint: at(b, '/connection/http_stream') }],
      {
        emulationEndpoint: at(a, '/emulation'),
        token: await token({ sub: 'eli' }),
        fetch,
        readableStream: ReadableStream,
      },
    );
    clients.push(client);
    client.connect();
    await client.ready(5_000);
    const { seen } = await listen(client, 'news:emulated');
    await call(c, 'publish', { channel: 'news:emulated', data: { n: 1 } });
    await until(() => seen.length === 1);
  });

  test('info shows all nodes with their counts, channels sums up the clients of all', async () => {
    const [onA, onB] = [await connect(a, 'gil'), await connect(b, 'gil')];
    await listen(onA, 'news:summed');
    await listen(onB, 'news:summed');
    await listen(onB, 'open:__proto__');
    const { result } = await call(c, 'channels', { pattern: '{news:s*,*__}' });
    assert.deepEqual(result.channels, {
      'news:summed': { num_clients: 2 },
      'open:__proto__': { num_clients: 1 },
    });
    const nodesAt = async (server: TestServer) =>
      (await call(server, 'info', {})).result.nodes as {
        uid: string;
        num_clients: number;
        version: string;
      }[];
    const uids = async (server: TestServer) => (await nodesAt(server)).map(({ uid }) => uid).sort();
    assert.equal((await uids(a)).length, 3);
    assert.deepEqual(await uids(b), await uids(a));
    await until(async () => (await nodesAt(c)).filter(({ num_clients }) => num_clients > 0).length >= 2);
  });

  test('a node that stops takes its clients out of presence, and others hear that they left', async () => {
    const d = await start();
    const witness = await listen(await connect(a, 'lea'), 'open:stop');
    await listen(await connect(d, 'max'), 'open:stop');
    await until(() => witness.people.includes('+max'));
    await d.close();
    const { result } = await call(b, 'presence_stats', { channel: 'open:stop' });
    assert.equal(result.num_clients, 1);
    await until(() => witness.people.includes('-max'));
  });

  test('a node that stops is no longer shown, and one that starts is known before it serves', async () => {
    const d = await start();
    const count = async (server: TestServer) =>
      ((await call(server, 'info', {})).result.nodes as object[]).length;
    assert.equal(await count(d), 4);
    assert.equal(await count(a), 4);
    await d.close();
    await until(async () => (await count(a)) === 3);
  });

  test('the limit of connections of a user counts on each node by itself', async () => {
    for (const server of [a, a, b]) await connect(server, 'ivy');
    const third = connect(a, 'ivy');
    await assert.rejects(third);
  });

  test('a user is not lost from presence while connected', async () => {
    const client = await connect(a, 'jon');
    await listen(client, 'open:long');
    await redis.command('DEL', 'carillon.presence.{open:long}', 'carillon.presence_due.{open:long}');
    await until(
      async () => (await call(b, 'presence_stats', { channel: 'open:long' })).result.num_clients === 1,
    );
  });

  test('while Redis is away, calls say so with 503 and code 100, clients stay, and subscribing works again afterwards', async () => {
    const client = await connect(a, 'kim');
    const { seen } = await listen(client, 'news:away');
    await call(b, 'publish', { channel: 'news:away', data: { n: 1 } });
    await redis.kill();
    const requests: [string, object][] = [
      ['publish', { channel: 'news:away', data: { n: 2 } }],
      ['history', { channel: 'news:away' }],
      ['presence', { channel: 'open:1' }],
      ['disconnect', { user: 'kim' }],
      ['channels', {}],
    ];
    for (const [method, request] of requests) {
      const { status, text } = await b.post(method, request);
      assert.equal(status, 503, method);
      assert.equal(JSON.parse(text).error.code, 100, method);
    }
    const health = async () => {
      const response = await fetch(`${b.carillon.url}/health`);
      const { problems } = (await response.json()) as { problems: object };
      return { status: response.status, problems: Object.keys(problems) };
    };
    assert.deepEqual(await health(), { status: 503, problems: ['realtime'] });
    const late = client.newSubscription('news:late', { minResubscribeDelay: 10, maxResubscribeDelay: 50 });
    const refused = new Promise<number>((resolve) => late.once('error', ({ error }) => resolve(error.code)));
    late.subscribe();
    assert.equal(await refused, 100);
    await redis.start();
    await late.ready(10_000);
    await until(
      async () => (await b.post('publish', { channel: 'news:away', data: { n: 3 } })).status === 200,
    );
    await until(() => seen.some(({ data }) => data.n === 3));
    assert.deepEqual(
      seen.map(({ offset }) => offset),
      seen.map((_, index) => index + 1),
    );
    assert.equal(client.state, 'connected');
    await until(async () => (await health()).status === 200);
  });
});
