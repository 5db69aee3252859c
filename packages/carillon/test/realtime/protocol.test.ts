import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { WebSocket } from 'ws';
import {
  connectClient,
  RawClient,
  type RealtimeServer,
  SECRET,
  startRealtime,
  token,
} from '../support/realtime.ts';
import { until } from '../support/until.ts';

const now = () => Math.floor(Date.now() / 1000);

suite('the client protocol', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime();
  });
  after(() => server.close());

  const opening: [what: string, frame: string | (() => Promise<string>), code: number][] = [
    ['an empty frame', '\n', 3501],
    ['a frame that is not JSON', '{"id":1,', 3501],
    ['a frame that is no object', '[1]', 3501],
    ['a command before connect', '{"id":1,"subscribe":{"channel":"open:a"}}', 3501],
    ['connect without a token', '{"id":1,"connect":{}}', 3501],
    ['an id that is no number', '{"id":"x","connect":{}}', 3501],
    ['a pong before connect', '{}', 3501],
    ['a token that is none', '{"id":1,"connect":{"token":"abc"}}', 3500],
    ['a forged token', async () => connect(await token({ sub: '42' }, 'another secret')), 3500],
    [
      'an unsigned token',
      async () => connect(`${(await token({ sub: '42' })).split('.').slice(0, 2).join('.')}.`),
      3500,
    ],
    [
      'a subscription token used to connect',
      async () => connect(await token({ sub: '42', channel: 'news:a' })),
      3500,
    ],
  ];
  for (const [what, frame, code] of opening) {
    test(`${what} closes with ${code}`, async () => {
      const client = await RawClient.open(server.url);
      client.sendText(typeof frame === 'string' ? frame : await frame());
      assert.equal((await client.closed()).code, code);
    });
  }

  test('an expired token is answered with 109, which makes a client fetch a new one', async () => {
    const client = await RawClient.open(server.url);
    client.sendText(connect(await token({ sub: '42', exp: now() - 1 })));
    assert.deepEqual(await client.next(), { id: 1, error: { code: 109, message: 'token expired' } });
    client.send({ id: 2, subscribe: { channel: 'open:a' } });
    assert.equal((await client.closed()).code, 3501);
  });

  test('a token for another algorithm does not pass', async () => {
    const [, body] = (await token({ sub: '42' })).split('.');
    const head = Buffer.from('{"alg":"none"}').toString('base64url');
    const client = await RawClient.open(server.url);
    client.sendText(connect(`${head}.${body}.${Buffer.from('x').toString('base64url')}`));
    assert.equal((await client.closed()).code, 3500);
  });

  test('connect tells who one is, the version, and the ping interval', async () => {
    const client = await RawClient.open(server.url);
    client.sendText(connect(await token({ sub: '42', exp: now() + 60 })));
    const { connect: result } = (await client.next()) as { connect: Record<string, unknown> };
    assert.match(String(result.client), /^[0-9a-f-]{36}$/);
    assert.deepEqual(
      { version: result.version, ping: result.ping, pong: result.pong, expires: result.expires },
      { version: '1.0.0 test', ping: 25, pong: true, expires: true },
    );
    assert.ok(Number(result.ttl) > 55 && Number(result.ttl) <= 60);
    client.send({ id: 2, connect: {} });
    assert.equal((await client.closed()).code, 3501, 'a second connect');
  });

  const subscribes: [what: string, request: object, error: { code: number; message: string }][] = [
    ['an unknown namespace', { channel: 'nope:a' }, { code: 102, message: 'unknown channel' }],
    ['a namespace that is closed', { channel: 'plain:a' }, { code: 103, message: 'permission denied' }],
    [
      'a private channel without a token',
      { channel: '$open:a' },
      { code: 103, message: 'permission denied' },
    ],
    [
      'a name that is too long',
      { channel: `open:${'x'.repeat(255)}` },
      { code: 107, message: 'bad request' },
    ],
    ['a name that is not ASCII', { channel: 'open:ä' }, { code: 107, message: 'bad request' }],
    ['a map subscription', { channel: 'open:a', type: 1 }, { code: 103, message: 'permission denied' }],
    ['an invalid token', { channel: 'open:a', token: 'x.y.z' }, { code: 103, message: 'permission denied' }],
  ];
  for (const [what, request, error] of subscribes) {
    test(`subscribing to ${what} is refused with ${error.code}`, async () => {
      const client = await RawClient.connected(server.url);
      client.send({ id: 2, subscribe: request });
      assert.deepEqual(await client.next(), { id: 2, error });
      client.socket.close();
    });
  }

  test('a token for another channel or another user closes with 3500', async () => {
    for (const claims of [
      { sub: '42', channel: 'news:b' },
      { sub: '43', channel: 'news:a' },
    ]) {
      const client = await RawClient.connected(server.url);
      client.send({ id: 2, subscribe: { channel: 'news:a', token: await token(claims) } });
      assert.equal((await client.closed()).code, 3500);
    }
  });

  test('subscribing twice answers 105, and more channels than allowed 106', async () => {
    const small = await startRealtime({ client: { channel_limit: 2 } });
    const client = await RawClient.connected(small.url);
    client.send(
      { id: 2, subscribe: { channel: 'news:1' } },
      { id: 3, subscribe: { channel: 'news:1' } },
      { id: 4, subscribe: { channel: 'news:2' } },
      { id: 5, subscribe: { channel: 'news:3' } },
    );
    const codes = [];
    for (let n = 0; n < 4; n++) {
      const { id, error } = (await client.next()) as { id: number; error?: { code: number } };
      codes.push([id, error?.code]);
    }
    assert.deepEqual(codes, [
      [2, undefined],
      [3, 105],
      [4, undefined],
      [5, 106],
    ]);
    client.socket.close();
    await small.close();
  });

  test('commands of one frame take effect in order', async () => {
    const client = await RawClient.open(server.url);
    const jwt = await token({ sub: '42' });
    client.send(
      { id: 1, connect: { token: jwt } },
      { id: 2, subscribe: { channel: 'news:order' } },
      { id: 3, history: { channel: 'news:order', limit: 0 } },
    );
    assert.deepEqual(
      [(await client.next()).id, (await client.next()).id, (await client.next()).id],
      [1, 2, 3],
    );
    client.socket.close();
  });

  test('what a client publishes reaches the others with its sender, and join and leave are announced', async () => {
    const one = await connectClient(server.url);
    const two = await connectClient(server.url, { token: await token({ sub: '43' }) });
    const first = one.newSubscription('open:talk');
    const joined = new Promise((resolve) =>
      first.on('join', ({ info }) => info.user === '43' && resolve(info)),
    );
    const left = new Promise((resolve) => first.on('leave', ({ info }) => resolve(info.user)));
    const said = new Promise((resolve) =>
      first.on('publication', ({ data, info }) => resolve([data, info?.user])),
    );
    first.subscribe();
    await first.ready(5_000);
    const second = two.newSubscription('open:talk');
    second.subscribe();
    await second.ready(5_000);
    await joined;
    await second.publish({ hi: 1 });
    assert.deepEqual(await said, [{ hi: 1 }, '43']);
    assert.deepEqual(await first.presenceStats(), { numClients: 2, numUsers: 2 });
    second.unsubscribe();
    assert.equal(await left, '43');
    one.disconnect();
    two.disconnect();
  });

  test('rpc answers 108, and send closes with 3508', async () => {
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, rpc: { method: 'x', data: {} } });
    assert.deepEqual(await client.next(), { id: 2, error: { code: 108, message: 'not available' } });
    client.send({ send: { data: {} } });
    assert.equal((await client.closed()).code, 3508);
  });

  test('a frame over the limit closes with 1009, and nobody else notices', async () => {
    const other = await RawClient.connected(server.url);
    const client = await RawClient.connected(server.url);
    client.send({ id: 2, publish: { channel: 'open:a', data: 'x'.repeat(70_000) } });
    assert.equal((await client.closed()).code, 1009);
    const closes = [...server.realtime.counters.outgoingCloses.entries()];
    assert.ok(closes.some(({ labels, value }) => labels.join() === 'websocket,1009' && value === 1));
    other.send({ id: 2, history: { channel: 'plain:a' } });
    assert.equal((await other.next()).id, 2);
    other.socket.close();
  });

  test('a page of a foreign origin is refused, one of ours and a program without origin are not', async () => {
    const refused = new RawClient(server.url, { origin: 'http://evil.example' });
    const [, response] = await once(refused.socket, 'unexpected-response');
    assert.equal(response.statusCode, 403);
    const allowed = new RawClient(server.url, { origin: 'http://localhost:9000' });
    await once(allowed.socket, 'open');
    allowed.socket.close();
  });

  test('a refreshed token keeps the connection, one of another user closes it', async () => {
    const client = await RawClient.connected(server.url, { sub: '42', exp: now() + 30 });
    client.send({ id: 2, refresh: { token: await token({ sub: '42', exp: now() + 90 }) } });
    const { refresh } = (await client.next()) as { refresh: Record<string, unknown> };
    assert.ok(Number(refresh.ttl) > 80);
    client.send({ id: 3, refresh: { token: await token({ sub: '43', exp: now() + 90 }) } });
    assert.equal((await client.closed()).code, 3500);
  });

  test('server-side subscriptions of the token are there with connect', async () => {
    const client = await RawClient.open(server.url);
    client.sendText(connect(await token({ sub: '42', channels: ['news:mine'] })));
    const { connect: result } = (await client.next()) as {
      connect: { subs: Record<string, { positioned: boolean }> };
    };
    assert.equal(result.subs['news:mine']?.positioned, true);
    await server.publish('news:mine', { n: 1 });
    assert.deepEqual((await client.next()).push, {
      channel: 'news:mine',
      pub: {
        data: { n: 1 },
        offset: 1,
        epoch: (
          await server.realtime.broker.history(
            'news:mine',
            { limit: 0, reverse: false },
            { size: 1, ttl: 1e6, metaTtl: 1e6 },
          )
        ).epoch,
      },
    });
    client.socket.close();
  });
});

suite('time and limits of a connection', () => {
  test('one that never connects is closed as stale', async () => {
    const server = await startRealtime({ client: { stale_close_delay: '50ms' } });
    const client = await RawClient.open(server.url);
    assert.deepEqual(await client.closed(), { code: 3502, reason: 'stale' });
    await server.close();
  });

  test('one that answers no ping is closed with 3012, one that does lives on', async () => {
    const server = await startRealtime({ client: { ping_interval: '400ms', pong_timeout: '300ms' } });
    const answers: [string, boolean][] = [];
    server.realtime.counters.onPong = (transport, seconds) =>
      answers.push([transport, seconds > 0 && seconds < 0.3]);
    const deaf = await RawClient.connected(server.url);
    const lively = await RawClient.connected(server.url);
    let pings = 0;
    const three = new Promise<void>((resolve) => {
      lively.socket.on('message', (data) => {
        if (data.toString() !== '{}') return;
        lively.sendText('{}');
        pings += 1;
        if (pings === 3) resolve();
      });
    });
    assert.deepEqual(await deaf.closed(), { code: 3012, reason: 'no pong' });
    await three;
    lively.sendText('{}');
    assert.equal((await lively.closed()).code, 3501, 'a pong without a ping');
    assert.deepEqual(answers, Array(pings).fill(['websocket', true]));
    await server.close();
  });

  test('one whose token has expired is closed with 3005', async () => {
    const server = await startRealtime({ client: { expired_close_delay: '0s' } });
    const client = await RawClient.open(server.url);
    client.sendText(connect(await token({ sub: '42', exp: now() + 1 })));
    assert.deepEqual(await client.closed(), { code: 3005, reason: 'connection expired' });
    await server.close();
  });

  test('a subscription whose time is over ends with 2501, one that the server made ends the connection with 3006', async () => {
    const server = await startRealtime({
      client: { presence_update_interval: '40ms', expired_sub_close_delay: '0s' },
    });
    const client = await RawClient.connected(server.url);
    const jwt = await token({ sub: '42', channel: 'plain:short', exp: now() + 1 });
    client.send({ id: 2, subscribe: { channel: 'plain:short', token: jwt } });
    assert.ok((await client.next()).subscribe);
    assert.deepEqual((await client.next()).push, {
      channel: 'plain:short',
      unsubscribe: { code: 2501, reason: 'subscription expired' },
    });
    const channel = server.realtime.channels.find('plain:server');
    const [session] = server.realtime.hub.sessionsOf('42');
    assert.ok(channel && session);
    const grant = { info: undefined, data: undefined, expireAt: now() };
    await server.realtime.subscriber.subscribeLive(session, channel, grant, undefined);
    assert.deepEqual(await client.closed(), { code: 3006, reason: 'subscription expired' });
    await server.close();
  });

  test('more channels than a connection may have, by its token or by the server, close it with 3505', async () => {
    const server = await startRealtime({ client: { channel_limit: 2 } });
    const client = await RawClient.open(server.url);
    client.sendText(connect(await token({ sub: '42', channels: ['news:1', 'news:2', 'news:3'] })));
    assert.deepEqual(await client.closed(), { code: 3505, reason: 'channel limit' });
    const full = await RawClient.connected(server.url, { sub: 'full', channels: ['news:1', 'news:2'] });
    const [session] = server.realtime.hub.sessionsOf('full');
    const grant = { info: undefined, data: undefined, expireAt: 0 };
    for (const name of ['news:2', 'news:3']) {
      const channel = server.realtime.channels.find(name);
      assert.ok(channel && session);
      await server.realtime.subscriber.subscribeLive(session, channel, grant, undefined);
      assert.equal(session.state, name === 'news:2' ? 'connected' : 'closed');
    }
    assert.equal((await full.closed()).code, 3505);
    await server.close();
  });

  test('a slow reader is closed with 3008 and slows nobody down', async () => {
    const server = await startRealtime({ client: { queue_max_size: 100_000 } });
    const slow = await RawClient.connected(server.url);
    const quick = await RawClient.connected(server.url);
    slow.send({ id: 2, subscribe: { channel: 'news:flood' } });
    quick.send({ id: 2, subscribe: { channel: 'news:flood' } });
    await slow.next();
    await quick.next();
    slow.socket.pause();
    const payload = 'x'.repeat(20_000);
    let received = 0;
    const counted = (async () => {
      while (((await quick.next()).push as { pub: { data: { last?: boolean } } }).pub.data.last !== true)
        received += 1;
    })();
    // Until the kernel's buffers are full and ours too.
    let sent = 0;
    while (server.realtime.stats().clients === 2 && sent < 5_000) {
      await server.publish('news:flood', { payload });
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(server.realtime.stats().clients, 1, 'the slow one is gone');
    await server.publish('news:flood', { last: true });
    await counted;
    assert.equal(received, sent);
    quick.socket.close();
    slow.socket.terminate();
    await server.close();
  });

  test('one that takes nothing is closed with 3009 long before its queue is full', async (t) => {
    const server = await startRealtime({
      client: { queue_max_size: 100_000_000, presence_update_interval: '100ms' },
      websocket: { write_timeout: '500ms' },
    });
    t.after(() => server.close());
    const stuck = await RawClient.connected(server.url, { sub: 'stuck', channels: ['news:flood'] });
    const [session] = server.realtime.hub.sessionsOf('stuck');
    const reading = await RawClient.connected(server.url);
    stuck.socket.pause();
    for (const payload = 'x'.repeat(100_000); session?.transport.buffered() === 0; ) {
      await server.publish('news:flood', { payload });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => server.realtime.stats().clients === 1);
    stuck.socket.resume();
    assert.deepEqual(await stuck.closed(), { code: 3009, reason: 'write error' });
    assert.equal(reading.socket.readyState, WebSocket.OPEN);
    reading.socket.close();
  });

  test('a user has no more connections than allowed', async () => {
    const server = await startRealtime({ client: { user_connection_limit: 1 } });
    const first = await RawClient.connected(server.url);
    const second = await RawClient.open(server.url);
    second.sendText(connect(await token({ sub: '42' })));
    assert.equal((await second.closed()).code, 3504);
    first.socket.close();
    await server.close();
  });

  test('the previous key is good for tokens until it is taken out', async () => {
    const server = await startRealtime({
      client: { token: { hmac_secret_key: 'new', hmac_previous_secret_key: SECRET } },
    });
    const client = await RawClient.connected(server.url);
    client.socket.close();
    await server.close();
  });
});

function connect(jwt: string): string {
  return JSON.stringify({ id: 1, connect: { token: jwt } });
}
