import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, beforeEach, suite, test } from 'node:test';
import { resolveConfig } from '../../src/config/load.ts';
import { RawJson } from '../../src/realtime/payload.ts';
import { Endpoint } from '../../src/realtime/proxies/endpoint.ts';
import { Application, type Responder } from '../support/application.ts';
import { RawClient, type RealtimeServer, silent, startRealtime, token } from '../support/realtime.ts';
import { until } from '../support/until.ts';

const now = () => Math.floor(Date.now() / 1000);
const INTERNAL = { code: 100, message: 'internal server error', temporary: true };

suite('proxies', () => {
  let application: Application;
  let server: RealtimeServer;
  before(async () => {
    application = await Application.start();
    const proxy = (path: string, more: object = {}) => ({ endpoint: `${application.url}/${path}`, ...more });
    server = await startRealtime({
      client: {
        presence_update_interval: '50ms',
        proxy: {
          connect: proxy('connect', {
            enabled: true,
            timeout: '300ms',
            http_headers: ['Cookie', 'X-Both', 'Host'],
            emulated_headers: ['Authorization', 'X-Both', 'X-Static'],
            http: {
              static_headers: { 'X-Static': 'ours', 'X-Key': 'k' },
              status_to_code_transforms: [
                { status_code: 403, to_error: { code: 403, message: 'no', temporary: false } },
                { status_code: 404, to_disconnect: { code: 4504, reason: 'gone' } },
              ],
            },
          }),
        },
      },
      channel: {
        proxy: {
          subscribe: proxy('subscribe'),
          publish: proxy('publish'),
          sub_refresh: proxy('sub_refresh'),
        },
      },
      namespaces: [
        { name: 'sub', subscribe_proxy_enabled: true, allow_user_limited_channels: true },
        { name: 'renew', subscribe_proxy_enabled: true, sub_refresh_proxy_enabled: true },
        {
          name: 'pub',
          allow_subscribe_for_client: true,
          publish_proxy_enabled: true,
          history_size: 10,
          history_ttl: '60s',
        },
        { name: 'named', subscribe_proxy_enabled: true, subscribe_proxy_name: 'binary' },
      ],
      proxies: [proxy('binary', { name: 'binary', binary_encoding: true, include_connection_meta: true })],
      rpc: {
        proxy: proxy('rpc', { include_connection_meta: true }),
        without_namespace: { proxy_enabled: true },
        namespaces: [{ name: 'off' }, { name: 'on', proxy_enabled: true }],
        ping: { enabled: true },
      },
    });
  });
  beforeEach(() => {
    application.questions.length = 0;
    application.answer('/connect', { result: { user: '56' } });
  });
  after(async () => {
    await server.close();
    await application.close();
  });

  /** Connects without a token; gives back the first reply beside the client. */
  async function connect(request: object = {}, headers: Record<string, string> = {}) {
    const client = await RawClient.open(server.url, headers);
    client.send({ id: 1, connect: request });
    return { client, reply: client.next() };
  }

  /** A connected client of user 56, with what its token or application attached. */
  async function connected(meta?: object): Promise<RawClient> {
    return RawClient.connected(server.url, { sub: '56', ...(meta && { meta }) });
  }

  async function answerTo(client: RawClient, command: object): Promise<Record<string, unknown>> {
    client.send({ id: 9, ...command });
    for (;;) {
      const reply = await client.next();
      if (reply.id === 9) return reply;
    }
  }

  test('who connects without a token is whom the application says, with what it gives', async () => {
    application.answer('/connect', {
      result: {
        user: '56',
        expire_at: now() + 60,
        info: { name: 'Ann' },
        data: { hello: 'world' },
        channels: ['open:a'],
        subs: { 'news:b': { data: [1], override: { force_recovery: { value: false } } } },
      },
    });
    const { client, reply } = await connect({
      name: 'js',
      version: '1',
      data: { ask: 1 },
      subs: { 'open:x': {} },
    });
    const { connect: result } = (await reply) as {
      connect: { client: string; ttl: number; data: object; subs: Record<string, Record<string, unknown>> };
    };
    assert.deepEqual(application.questions[0]?.body, {
      client: result.client,
      transport: 'websocket',
      protocol: 'json',
      encoding: 'json',
      name: 'js',
      version: '1',
      data: { ask: 1 },
      channels: ['open:x'],
    });
    assert.deepEqual(result.data, { hello: 'world' });
    assert.ok(result.ttl > 50);
    assert.deepEqual(
      Object.keys(result.subs).sort(),
      ['news:b', 'open:a'],
      'and nothing that it did not grant',
    );
    assert.deepEqual(result.subs['news:b']?.data, [1]);
    assert.equal(result.subs['news:b']?.recoverable, undefined);
    const { presence } = await answerTo(client, { presence: { channel: 'open:a' } });
    assert.deepEqual((presence as { presence: object }).presence, {
      [result.client]: { user: '56', client: result.client, conn_info: { name: 'Ann' } },
    });
    client.socket.close();
  });

  test('headers go along as far as they are named, those of the request before those that are claimed', async () => {
    const { client, reply } = await connect(
      { headers: { Authorization: 'claimed', 'X-Both': 'claimed', 'X-Other': 'claimed', Host: 'evil' } },
      { cookie: 'a=b', 'x-both': 'real', 'x-other': 'real' },
    );
    await reply;
    const { headers } = application.questions[0] ?? assert.fail();
    assert.equal(headers.cookie, 'a=b');
    assert.equal(headers.authorization, 'claimed');
    assert.equal(headers['x-both'], 'real');
    assert.equal(headers['x-static'], 'ours');
    assert.equal(headers['x-key'], 'k');
    assert.equal(headers['x-other'], undefined);
    assert.equal(headers.host, new URL(application.url).host);
    assert.equal(headers['content-type'], 'application/json');
    client.socket.close();
    const split = await connect({ headers: { Authorization: 'a\r\nX-Evil: 1' } });
    assert.equal((await split.client.closed()).code, 3501);
  });

  const answers: [what: string, answer: Parameters<Application['answer']>[1], seen: object | number][] = [
    ['an error', { error: { code: 1000, message: 'custom' } }, { code: 1000, message: 'custom' }],
    [
      'an error that passes',
      { error: { code: 1001, message: 'later', temporary: true } },
      { code: 1001, message: 'later', temporary: true },
    ],
    ['a disconnect', { disconnect: { code: 4501, reason: 'unauthorized' } }, 4501],
    ['nobody', {}, 3501],
    ['a status that means an error', status(403), { code: 403, message: 'no' }],
    ['a status that means a disconnect', status(404), 4504],
    ['another status', status(500), INTERNAL],
    ['a redirect', status(302), INTERNAL],
    ['no JSON', text('<html>'), INTERNAL],
    ['a list', text('[]'), INTERNAL],
    ['too much', text(JSON.stringify({ result: { user: 'x'.repeat(1_100_000) } })), INTERNAL],
    ['a user that is none', { result: { user: 7 } }, INTERNAL],
    ['a disconnect that cannot be', { disconnect: { code: 99_999 } }, INTERNAL],
    ['a broken connection', (response: ServerResponse) => response.destroy(), INTERNAL],
    ['nothing at all', () => {}, INTERNAL],
    [
      'a channel of no namespace',
      { result: { channels: ['nope:a'] } },
      { code: 102, message: 'unknown channel' },
    ],
    ['a connection that has ended', { result: { expire_at: 1 } }, { code: 110, message: 'expired' }],
  ];
  for (const [what, answer, seen] of answers) {
    test(`an application that answers connect with ${what}`, async () => {
      application.answer('/connect', answer);
      const { client, reply } = await connect();
      if (typeof seen === 'number') assert.equal((await client.closed()).code, seen);
      else assert.deepEqual((await reply).error, seen);
      client.socket.close();
    });
  }

  test('a token is verified here, and the application is not asked', async () => {
    const { reply, client } = await connect({ token: await token({ sub: '42' }) });
    assert.ok((await reply).connect);
    assert.equal(application.questions.length, 0);
    client.socket.close();
  });

  test('the application lets clients into channels, with options of its own', async () => {
    application.decide('/subscribe', ({ body }) =>
      body.channel === 'sub:yes'
        ? {
            result: {
              info: 1,
              data: { d: 1 },
              override: { presence: { value: true } },
              expire_at: now() + 60,
            },
          }
        : { error: { code: 403, message: 'no' } },
    );
    const client = await connected();
    const yes = await answerTo(client, { subscribe: { channel: 'sub:yes', data: { why: 'x' } } });
    const { ttl, data } = yes.subscribe as { ttl: number; data: object };
    assert.ok(ttl > 50);
    assert.deepEqual(data, { d: 1 });
    const { client: id, ...body } = application.questions[0]?.body ?? assert.fail();
    assert.deepEqual(body, {
      transport: 'websocket',
      protocol: 'json',
      encoding: 'json',
      user: '56',
      channel: 'sub:yes',
      data: { why: 'x' },
    });
    assert.deepEqual(await server.realtime.presence.stats('sub:yes'), { num_clients: 1, num_users: 1 });
    assert.ok(id);
    const no = await answerTo(client, { subscribe: { channel: 'sub:no' } });
    assert.deepEqual(no.error, { code: 403, message: 'no' });
    application.questions.length = 0;
    assert.ok((await answerTo(client, { subscribe: { channel: 'sub:a#56' } })).subscribe);
    assert.deepEqual((await answerTo(client, { subscribe: { channel: 'sub:a#57' } })).error, {
      code: 103,
      message: 'permission denied',
    });
    assert.equal(application.questions.length, 0, 'the name says it all');
    client.socket.close();
  });

  test('a named proxy sends payloads as base64, and the connection’s meta', async () => {
    application.answer('/binary', { result: { b64data: Buffer.from('{"b":1}').toString('base64') } });
    const client = await connected({ role: 'admin' });
    const { subscribe } = await answerTo(client, { subscribe: { channel: 'named:a', data: { a: 1 } } });
    assert.deepEqual((subscribe as { data: object }).data, { b: 1 });
    const { body } = application.questions[0] ?? assert.fail();
    assert.equal(body.encoding, 'binary');
    assert.equal(Buffer.from(String(body.b64data), 'base64').toString(), '{"a":1}');
    assert.deepEqual(body.meta, { role: 'admin' });
    client.socket.close();
  });

  test('the application may change what a client publishes, or refuse it', async () => {
    application.decide('/publish', ({ body }) =>
      body.data === 'bad'
        ? { error: { code: 1002, message: 'bad words' } }
        : { result: { data: { said: body.data }, tags: { by: 'us' }, idempotency_key: 'k' } },
    );
    const client = await connected();
    await answerTo(client, { subscribe: { channel: 'pub:a' } });
    assert.deepEqual(await answerTo(client, { publish: { channel: 'pub:a', data: 'hi' } }), {
      id: 9,
      publish: {},
    });
    assert.deepEqual((await answerTo(client, { publish: { channel: 'pub:a', data: 'bad' } })).error, {
      code: 1002,
      message: 'bad words',
    });
    await answerTo(client, { publish: { channel: 'pub:a', data: 'again' } });
    const { publications } = await server.realtime.broker.history(
      'pub:a',
      { limit: -1, reverse: false },
      { size: 10, ttl: 60_000, metaTtl: 60_000 },
    );
    assert.deepEqual(
      publications.map(({ data, tags, info }) => [data, tags, info?.user]),
      [[new RawJson('{"said":"hi"}'), { by: 'us' }, '56']],
      'the key was the same',
    );
    client.socket.close();
  });

  test('calls of clients reach the application, by namespace, and ping answers by itself', async () => {
    application.decide('/rpc', ({ body }) => ({ result: { data: { echo: body.data, by: body.user } } }));
    const client = await connected({ m: 1 });
    assert.deepEqual((await answerTo(client, { rpc: { method: 'sum', data: [1, 2] } })).rpc, {
      data: { echo: [1, 2], by: '56' },
    });
    assert.deepEqual(application.questions[0]?.body.meta, { m: 1 });
    assert.ok((await answerTo(client, { rpc: { method: 'on:x', data: 1 } })).rpc);
    assert.equal(application.questions.length, 2);
    assert.deepEqual((await answerTo(client, { rpc: { method: 'ping', data: {} } })).rpc, {});
    assert.deepEqual((await answerTo(client, { rpc: { method: 'off:x', data: 1 } })).error, {
      code: 108,
      message: 'not available',
    });
    assert.deepEqual((await answerTo(client, { rpc: { method: 'nope:x', data: 1 } })).error, {
      code: 104,
      message: 'method not found',
    });
    assert.equal(application.questions.length, 2);
    client.socket.close();
  });

  test('a subscription whose time is over lives on, or ends, as the application says', async () => {
    application.answer('/subscribe', { result: { expire_at: now() + 1 } });
    application.answer('/sub_refresh', { result: { expire_at: now() + 1_000 } });
    const client = await connected();
    const { subscribe } = await answerTo(client, { subscribe: { channel: 'renew:a' } });
    assert.equal((subscribe as { expires?: boolean }).expires, undefined, 'the client has nothing to do');
    await until(() => application.questions.some(({ path }) => path === '/sub_refresh'));
    const subscription = () => [...(server.realtime.hub.subscribers('renew:a') ?? [])][0];
    await until(() => (subscription()?.expireAt ?? 0) > now() + 900);
    application.answer('/sub_refresh', { result: { expired: true } });
    const live = subscription() ?? assert.fail();
    live.expireAt = now() - 1;
    assert.deepEqual((await client.next()).push, {
      channel: 'renew:a',
      unsubscribe: { code: 2501, reason: 'subscription expired' },
    });
    assert.equal(
      await answerCode(client, { sub_refresh: { channel: 'renew:a', token: 'x' } }),
      103,
      'it is over',
    );
    client.socket.close();
  });

  async function answerCode(client: RawClient, command: object): Promise<number | undefined> {
    return ((await answerTo(client, command)).error as { code: number } | undefined)?.code;
  }

  test('an application that hangs holds up nobody but those who need it', async () => {
    application.answer('/connect', () => {});
    const waiting = await Promise.all(Array.from({ length: 20 }, () => connect()));
    const quick = await connected();
    assert.ok((await answerTo(quick, { subscribe: { channel: 'open:q' } })).subscribe);
    for (const { client, reply } of waiting) {
      assert.deepEqual((await reply).error, INTERNAL);
      client.socket.close();
    }
    application.answer('/connect', { result: { user: '56' } });
    const { client, reply } = await connect();
    assert.ok((await reply).connect, 'and when it is back, it is asked again');
    client.socket.close();
    quick.socket.close();
  });
});

test('a connection whose time is over lives on, or ends, as the application says, and for a minute when it is away', async (t) => {
  const application = await Application.start();
  t.after(() => application.close());
  application.answer('/refresh', { result: { expire_at: now() + 1_000, info: { n: 2 } } });
  const server = await startRealtime({
    client: {
      ping_interval: '200ms',
      pong_timeout: '100ms',
      proxy: { refresh: { enabled: true, endpoint: `${application.url}/refresh` } },
    },
  });
  t.after(() => server.close());
  const client = await RawClient.open(server.url);
  client.send({ id: 1, connect: { token: await token({ sub: '42', exp: now() + 1 }) } });
  client.socket.on('message', (data) => {
    if (data.toString() === '{}') client.sendText('{}');
  });
  const { connect } = (await client.next()) as { connect: { expires?: boolean } };
  assert.equal(connect.expires, undefined, 'the client has nothing to do');
  const [session] = [...server.realtime.hub.sessions()];
  assert.ok(session);
  await until(() => session.expireAt > now() + 900);
  const { client: id, ...body } = application.questions[0]?.body ?? assert.fail();
  assert.deepEqual(
    [id, body],
    [session.id, { transport: 'websocket', protocol: 'json', encoding: 'json', user: '42' }],
  );
  assert.deepEqual(session.info, new RawJson('{"n":2}'));
  application.answer('/refresh', status(500));
  session.expireAt = now() - 1;
  await until(() => session.expireAt > now() + 50);
  application.answer('/refresh', { result: { expired: true } });
  session.expireAt = now() - 1;
  assert.equal((await client.closed()).code, 3005);
  const other = await RawClient.connected(server.url);
  other.send({ id: 2, refresh: { token: await token({ sub: '42' }) } });
  assert.equal((await other.closed()).code, 3501, 'a client may not refresh by itself');
});

test('an endpoint that hangs gets a bounded number of calls', async (t) => {
  const application = await Application.start();
  t.after(() => application.close());
  application.answer('/', () => {});
  const { config } = resolveConfig({
    client: { proxy: { connect: { enabled: true, endpoint: application.url, timeout: '500ms' } } },
  });
  const endpoint = new Endpoint({
    type: 'connect',
    name: 'default',
    options: config.client.proxy.connect,
    logger: silent,
  });
  const ask = () =>
    endpoint
      .ask({}, {}, (answer) => answer)
      .then(
        () => 'answered',
        (error: Error) => error.message,
      );
  const outcomes = await Promise.all(Array.from({ length: 2_400 }, ask));
  const count = (pattern: RegExp) => outcomes.filter((outcome) => pattern.test(outcome)).length;
  assert.equal(count(/2048 calls wait already/), 2_400 - 2_048 - 256);
  assert.equal(count(/no (answer|turn) within 500 ms/), 2_048 + 256);
  // Those that took the place of others may meet them on their way out.
  assert.ok(application.peakConnections <= 512, `${application.peakConnections} connections`);
  endpoint.close();
});

test('proxies that cannot be used stop the start', () => {
  const refused = (value: object) => {
    try {
      resolveConfig(value);
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const namespace = { name: 'ab', subscribe_proxy_enabled: true };
  assert.match(
    refused({ client: { proxy: { connect: { enabled: true, endpoint: 'grpc://a:1' } } } }),
    /client\.proxy\.connect\.endpoint is "grpc:\/\/a:1": allowed is an http: or https: URL/,
  );
  assert.match(
    refused({ channel: { namespaces: [namespace] } }),
    /channel\.proxy\.subscribe\.endpoint is ""/,
  );
  assert.match(
    refused({ channel: { namespaces: [{ ...namespace, subscribe_proxy_name: 'x' }] } }),
    /subscribe_proxy_name is "x": allowed is "default" or a name in proxies/,
  );
  const connect = (more: object) =>
    refused({ client: { proxy: { connect: { enabled: true, endpoint: 'http://a', ...more } } } });
  assert.equal(connect({}), 'accepted');
  assert.match(connect({ http_headers: ['a b'] }), /http_headers\[0\] is "a b"/);
  assert.match(connect({ timeout: '0s' }), /timeout is 0/);
  assert.match(
    connect({ http: { status_to_code_transforms: [{ status_code: 404 }] } }),
    /must have either to_error\.code or to_disconnect\.code/,
  );
  assert.match(connect({ http: { static_headers: { 'a b': 'c' } } }), /static_headers has "a b"/);
  assert.match(
    connect({ http: { tls: { enabled: true, server_ca_pem: '/nowhere' } } }),
    /server_ca_pem is neither PEM text/,
  );
  assert.match(
    refused({ proxies: [{ name: 'default', endpoint: 'http://a' }] }),
    /the proxy of the section itself/,
  );
});

function status(code: number): Responder {
  return (response) => {
    response.writeHead(code).end();
  };
}

function text(body: string): Responder {
  return (response) => {
    response.end(body);
  };
}
