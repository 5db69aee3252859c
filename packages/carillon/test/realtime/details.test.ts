import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { WebSocket } from 'ws';
import { resolveConfig } from '../../src/config/load.ts';
import { ClientError, clientError, disconnectFor } from '../../src/realtime/codes.ts';
import { RawJson } from '../../src/realtime/payload.ts';
import { ConnectionRules } from '../../src/realtime/transports/connection-rules.ts';
import { connectClient, RawClient, type RealtimeServer, startRealtime, token } from '../support/realtime.ts';

const now = () => Math.floor(Date.now() / 1000);
type Body = Record<string, unknown>;

suite('details of the client protocol', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime();
  });
  after(() => server.close());

  async function answerTo(command: object, claims: object = { sub: '42' }): Promise<Body> {
    const client = await RawClient.connected(server.url, claims as Record<string, unknown>);
    client.send({ id: 2, ...command });
    const reply = await client.next();
    client.socket.close();
    return reply;
  }
  const errorOf = async (command: object) =>
    ((await answerTo(command)) as { error?: { code: number } }).error?.code;

  test('a connection or a subscription that has expired by expire_at is answered with 110', async () => {
    const client = await RawClient.open(server.url);
    client.send({ id: 1, connect: { token: await token({ sub: '42', expire_at: now() - 5 }) } });
    assert.deepEqual(await client.next(), { id: 1, error: { code: 110, message: 'expired' } });
    client.socket.close();
    const jwt = await token({ sub: '42', channel: 'plain:a', expire_at: now() - 5 });
    assert.equal(await errorOf({ subscribe: { channel: 'plain:a', token: jwt } }), 110);
  });

  test('a channel name that no client may use is answered with 107 by every command', async () => {
    const channel = 'open:ä';
    for (const command of [
      { publish: { channel, data: 1 } },
      { presence: { channel } },
      { presence_stats: { channel } },
      { history: { channel } },
    ])
      assert.equal(await errorOf(command), 107, JSON.stringify(command));
  });

  test('a publish for a map is refused with 103', async () => {
    const client = await RawClient.connected(server.url);
    client.send(
      { id: 2, subscribe: { channel: 'open:map' } },
      { id: 3, publish: { channel: 'open:map', data: 1, type: 1, key: 'k' } },
    );
    let reply = await client.next();
    while (reply.id !== 3) reply = await client.next();
    assert.equal((reply.error as { code: number }).code, 103);
    client.socket.close();
  });

  test('a wish to recover is echoed, even where nothing can be recovered', async () => {
    const { subscribe } = await answerTo({ subscribe: { channel: 'open:echo', recover: true } });
    assert.deepEqual(subscribe, { was_recovering: true });
  });

  test('sub_refresh sets the new expiry and info of a subscription', async () => {
    const channel = 'open:refreshed';
    const client = await RawClient.connected(server.url);
    const claims = { sub: '42', channel, exp: now() + 20, info: { n: 1 } };
    client.send({ id: 2, subscribe: { channel, token: await token(claims) } });
    const { subscribe } = (await client.next()) as { subscribe: { ttl: number } };
    assert.ok(subscribe.ttl <= 20);
    const newer = { ...claims, exp: now() + 90, info: { n: 2 } };
    client.send({ id: 3, sub_refresh: { channel, token: await token(newer) } });
    let reply = await client.next();
    while (reply.id !== 3) reply = await client.next();
    assert.ok((reply.sub_refresh as { ttl: number }).ttl > 80);
    const publishing = client.next();
    client.send({ id: 4, publish: { channel, data: 1 } });
    const { push } = (await publishing) as { push: { pub: { info: { chan_info: unknown } } } };
    assert.deepEqual(push.pub.info.chan_info, { n: 2 });
    client.socket.close();
  });

  test('a channel subscribed by the server outlives a refresh of the token', async () => {
    const client = await RawClient.connected(server.url, { sub: '77', exp: now() + 30 });
    const channel = server.realtime.channels.find('news:by-server');
    const [session] = server.realtime.hub.sessionsOf('77');
    assert.ok(channel && session);
    await server.publish('news:by-server', 1);
    await server.realtime.subscriber.subscribeLive(
      session,
      channel,
      { info: undefined, data: new RawJson('{"x":1}'), expireAt: 0 },
      { offset: 0, epoch: '' },
    );
    const { push } = (await client.next()) as { push: { channel: string; subscribe: Body } };
    const { epoch, ...rest } = push.subscribe;
    assert.deepEqual(rest, { recoverable: true, positioned: true, data: { x: 1 } });
    assert.match(String(epoch), /^[A-Za-z]{8}$/);
    assert.deepEqual(await client.next(), {
      push: { channel: 'news:by-server', pub: { data: 1, offset: 1, epoch } },
    });
    client.send({ id: 2, refresh: { token: await token({ sub: '77', exp: now() + 90 }) } });
    const reply = (await client.next()) as { refresh: { ttl: number } };
    assert.ok(reply.refresh.ttl > 80);
    client.socket.close();
  });

  test('channels asked for at connect are subscribed if the client may, and an unknown namespace closes with 3501', async () => {
    const client = await RawClient.open(server.url);
    const subs = { 'news:mine': {}, 'plain:closed': {}, '$open:private': {} };
    client.send({ id: 1, connect: { token: await token({ sub: '42' }), subs } });
    const { connect } = (await client.next()) as { connect: { subs: Body } };
    assert.deepEqual(Object.keys(connect.subs), ['news:mine']);
    client.socket.close();
    const other = await RawClient.open(server.url);
    other.send({ id: 1, connect: { token: await token({ sub: '42' }), subs: { 'nope:a': {} } } });
    assert.equal((await other.closed()).code, 3501);
  });

  test('where only the newest publication counts, a subscriber gets it, once', async () => {
    for (const n of [1, 2, 3]) await server.publish('cache:a', n);
    const first = (await answerTo({ subscribe: { channel: 'cache:a' } })).subscribe as {
      publications: object[];
      epoch: string;
    };
    const { epoch } = first;
    assert.deepEqual(first.publications, [{ data: 3, offset: 3 }]);
    const again = await answerTo({ subscribe: { channel: 'cache:a', recover: true, offset: 3, epoch } });
    assert.deepEqual(again.subscribe, {
      recoverable: true,
      positioned: true,
      epoch,
      offset: 3,
      recovered: true,
      was_recovering: true,
    });
    const empty = (await answerTo({ subscribe: { channel: 'cache:empty' } })).subscribe as Body;
    assert.deepEqual([empty.recovered, empty.publications], [undefined, undefined]);
  });

  test('the official client in such a channel has the newest at once and after a lost connection', async () => {
    const client = await connectClient(server.url);
    const subscription = client.newSubscription('cache:official');
    const seen: number[] = [];
    let wake = () => {};
    subscription.on('publication', ({ data }) => {
      seen.push(data);
      wake();
    });
    const until = async (last: number) => {
      while (seen.at(-1) !== last)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    };
    for (const n of [1, 2]) await server.publish('cache:official', n);
    subscription.subscribe();
    await until(2);
    server.cutConnections();
    for (const n of [3, 4]) await server.publish('cache:official', n);
    await until(4);
    assert.deepEqual(seen, [2, 4]);
    client.disconnect();
  });
});

suite('pings by frames of WebSocket', () => {
  test('take the place of messages where the client asks, and must be answered', async () => {
    const server = await startRealtime({ client: { ping_interval: '200ms', pong_timeout: '150ms' } });
    const socket = new WebSocket(`${server.url}?cf_ws_frame_ping_pong=true`, { autoPong: false });
    await once(socket, 'open');
    socket.send(JSON.stringify({ id: 1, connect: { token: await token({ sub: '42' }) } }));
    const [data] = await once(socket, 'message');
    const { connect } = JSON.parse(data.toString());
    assert.deepEqual([connect.ping, connect.pong], [undefined, undefined]);
    const messages: string[] = [];
    socket.on('message', (message) => messages.push(message.toString()));
    for (let n = 0; n < 3; n++) {
      await once(socket, 'ping');
      socket.pong();
    }
    const [code] = await once(socket, 'close');
    assert.equal(code, 3012, 'the fourth was not answered');
    assert.deepEqual(messages, []);
    await server.close();
  });
});

test('origins are allowed by globs, as a real Centrifugo allows them', () => {
  const allowed_origins = [
    'https://*.one.example',
    'http://localhost:*',
    'http?://two.example',
    'http://{three,four}.example',
    'http://[ab].five.example',
    'capacitor://*',
  ];
  const { client } = resolveConfig({ client: { allowed_origins } }).config;
  const rules = new ConnectionRules(client, () => 0);
  const good =
    'https://a.one.example https://a.b.one.example https://A.ONE.example http://localhost:1 https://two.example ' +
    'http://four.example http://b.five.example capacitor://localhost';
  const bad =
    'https://one.example http://a.one.example https://a.one.example:8443 https://a.one.example.evil http://localhost ' +
    'http://two.example http://c.five.example null x';
  for (const origin of good.split(' ')) assert.ok(rules.allowsOrigin(origin), origin);
  for (const origin of bad.split(' ')) assert.ok(!rules.allowsOrigin(origin), origin);
  assert.ok(rules.allowsOrigin(undefined));
  const nobody = new ConnectionRules(resolveConfig({}).config.client, () => 0);
  assert.ok(!nobody.allowsOrigin('http://localhost:8000'));
});

suite('limits of new connections', () => {
  test('no more than allowed in a second, and as many again later', () => {
    let clock = 0;
    const { client } = resolveConfig({ client: { connection_rate_limit: 3 } }).config;
    const rules = new ConnectionRules(
      client,
      () => 0,
      () => clock,
    );
    const admitted = () => [1, 2, 3, 4, 5].filter(() => rules.admits()).length;
    assert.equal(admitted(), 3);
    clock += 340;
    assert.equal(admitted(), 1);
    clock += 60_000;
    assert.equal(admitted(), 3);
  });

  test('one too many is answered with 503, over WebSocket and over HTTP', async () => {
    const server = await startRealtime({ client: { connection_limit: 1 }, sse: { enabled: true } });
    const first = await RawClient.connected(server.url);
    const second = new RawClient(server.url);
    const [, response] = await once(second.socket, 'unexpected-response');
    assert.equal(response.statusCode, 503);
    const sse = await fetch(`${server.origin}/connection/sse?cf_connect={}`);
    assert.equal(sse.status, 503);
    first.socket.close();
    await server.close();
  });
});

test('errors of connect become reasons to close for who only listens', () => {
  const codes = [109, 110, 111, 103, 102, 100].map((code) => disconnectFor(new ClientError(code, '')).code);
  assert.deepEqual(codes, [3005, 3005, 3013, 3507, 3004, 3004]);
  assert.equal(disconnectFor(clientError('expired')).message, 'connection expired');
});
