import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import protobuf from 'protobufjs';
import { WebSocket } from 'ws';
import { CLIENT_PROTOCOL } from '../../../src/realtime/codec/schema.ts';
import { type RealtimeServer, SECRET, startRealtime, token } from '../../support/realtime.ts';
import { StreamReader } from '../../support/streams.ts';
import { until } from '../../support/until.ts';

const { root } = protobuf.parse(CLIENT_PROTOCOL, { keepCase: true });
const ON = { enabled: true };
const LIMIT = 2_000;
const LIMITED = { enabled: true, max_request_body_size: LIMIT };

suite('HTTP streaming, SSE and emulation', () => {
  let server: RealtimeServer;
  let commands: string;
  before(async () => {
    server = await startRealtime({
      http_stream: LIMITED,
      sse: LIMITED,
      emulation: { max_request_body_size: LIMIT },
    });
    commands = JSON.stringify({ id: 1, connect: { token: await token({ sub: '42' }) } });
  });
  after(() => server.close());

  const at = (path: string) => `${server.origin}${path}`;
  const stream = (body = commands) => StreamReader.open(at('/connection/http_stream'), { body });
  const events = () =>
    StreamReader.open(`${at('/connection/sse')}?cf_connect=${encodeURIComponent(commands)}`);
  const emulate = (body: unknown) =>
    fetch(at('/emulation'), {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }).then(({ status }) => status);

  test('answers are streams that nothing on the way may keep', async () => {
    for (const [reader, type] of [
      [await stream(), 'application/x-ndjson; charset=utf-8'],
      [await events(), 'text/event-stream; charset=utf-8'],
    ] as const) {
      const { statusCode, headers } = reader.response;
      assert.equal(statusCode, 200);
      assert.equal(headers['content-type'], type);
      assert.equal(headers['cache-control'], 'private, no-cache, no-store, must-revalidate, max-age=0');
      assert.equal(headers['x-accel-buffering'], 'no');
      const { connect } = (await reader.next()) as {
        connect: { session: string; node: string; client: string };
      };
      assert.equal(connect.node, server.realtime.node.uid);
      assert.notEqual(connect.session, connect.client, 'what others see of a client opens no door');
      reader.close();
    }
  });

  test('commands come through emulation, in JSON, and answers by the stream', async () => {
    for (const open of [stream, events]) {
      const reader = await open();
      const { connect } = (await reader.next()) as { connect: { session: string; node: string } };
      const { session, node } = connect;
      const data =
        '{"id":2,"subscribe":{"channel":"news:emulated"}}\n{"id":3,"history":{"channel":"news:emulated"}}';
      assert.equal(await emulate({ session, node, data }), 204);
      assert.deepEqual([(await reader.next()).id, (await reader.next()).id], [2, 3]);
      reader.close();
    }
  });

  test('in Protobuf, too', async () => {
    const [Command, Reply, Emulation] = ['Command', 'Reply', 'EmulationRequest'].map((name) =>
      root.lookupType(name),
    );
    assert.ok(Command && Reply && Emulation);
    const encode = (command: object) => Command.encodeDelimited(Command.fromObject(command)).finish();
    const headers = { 'content-type': 'application/octet-stream' };
    const connectCommand = encode({ id: 1, connect: { token: await token({ sub: '42' }) } });
    const response = await fetch(at('/connection/http_stream'), {
      method: 'POST',
      headers,
      body: Buffer.from(connectCommand),
    });
    assert.equal(response.headers.get('content-type'), 'application/octet-stream');
    const chunks = response.body?.getReader();
    assert.ok(chunks);
    const next = async () => Reply.decodeDelimited((await chunks.read()).value as Uint8Array).toJSON();
    const { session, node } = (await next()).connect;
    const data = encode({ id: 2, history: { channel: 'plain:a' } });
    const body = Buffer.from(Emulation.encode({ session, node, data }).finish());
    const { status } = await fetch(at('/emulation'), { method: 'POST', headers, body });
    assert.equal(status, 204);
    assert.deepEqual((await next()).error.code, 108);
    await chunks.cancel();
  });

  test('emulation: an unknown node is 404, an unknown session is nothing, what is no request 400', async () => {
    const node = server.realtime.node.uid;
    assert.equal(await emulate({ session: 'x', node, data: '{}' }), 204);
    assert.equal(await emulate({ session: 'x', node: 'y', data: '{}' }), 404);
    for (const body of [
      '',
      '[]',
      'null',
      '{"session":"x"}',
      { session: 1, node, data: '' },
      { session: 'x', node, data: {} },
    ])
      assert.equal(await emulate(body), 400, JSON.stringify(body));
    const wrong = Buffer.from(JSON.stringify({ session: 'x', node, data: '{}' }));
    wrong[wrong.indexOf('x')] = 0xff;
    const response = await fetch(at('/emulation'), { method: 'POST', body: wrong });
    assert.equal(response.status, 400, 'no UTF-8');
    assert.equal(await emulate('x'.repeat(LIMIT + 1)), 413);
  });

  test('the id of a client that others see does not let them send commands in its name', async () => {
    const reader = await stream();
    const { connect } = (await reader.next()) as {
      connect: { client: string; node: string; session: string };
    };
    const data = '{"id":2,"history":{"channel":"plain:a"}}';
    assert.equal(await emulate({ session: connect.client, node: connect.node, data }), 204);
    assert.equal(
      await emulate({
        session: connect.session,
        node: connect.node,
        data: '{"id":3,"history":{"channel":"plain:a"}}',
      }),
      204,
    );
    assert.equal((await reader.next()).id, 3);
    reader.close();
  });

  test('methods that mean nothing are 405, bodies over the limit 413, a missing connect command 400', async () => {
    const status = async (path: string, method: string, body?: string) =>
      (await fetch(at(path), { method, ...(body !== undefined && { body }) })).status;
    assert.equal(await status('/connection/http_stream', 'GET'), 405);
    assert.equal(await status('/connection/sse', 'PUT'), 405);
    assert.equal(await status('/emulation', 'GET'), 405);
    assert.equal(await status('/connection/http_stream', 'POST', 'x'.repeat(LIMIT + 1)), 413);
    assert.equal(await status('/connection/sse', 'POST', 'x'.repeat(LIMIT + 1)), 413);
    assert.equal(await status('/connection/sse', 'GET'), 400);
  });

  test('a body without a length is cut at the limit, too', async () => {
    const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    socket.write(`${(LIMIT + 100).toString(16)}\r\n${'x'.repeat(LIMIT + 100)}\r\n`);
    const [answer] = await once(socket, 'data');
    assert.match(answer.toString(), /^HTTP\/1.1 413 /);
    if (!socket.closed) await once(socket, 'close');
  });

  test('pages of allowed origins may read answers, those of others are turned away', async () => {
    const open = (path: string, method: string, origin: string) =>
      fetch(at(path), { method, headers: { origin, 'access-control-request-headers': 'content-type' } });
    for (const path of ['/connection/http_stream', '/emulation']) {
      const preflight = await open(path, 'OPTIONS', 'http://localhost:9000');
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get('access-control-allow-origin'), 'http://localhost:9000');
      assert.equal(preflight.headers.get('access-control-allow-credentials'), 'true');
      assert.equal(preflight.headers.get('access-control-allow-headers'), 'content-type');
      assert.equal(preflight.headers.get('access-control-allow-methods'), 'POST, OPTIONS');
      assert.equal(preflight.headers.get('access-control-max-age'), '300');
    }
    for (const path of ['/connection/http_stream', '/connection/sse?cf_connect={}', '/emulation']) {
      const refused = await open(path, path.includes('sse') ? 'GET' : 'POST', 'http://evil.example');
      assert.equal(refused.status, 403, path);
      assert.equal(refused.headers.get('access-control-allow-origin'), null);
    }
  });

  test('what is no command ends the stream with its reason', async () => {
    for (const [body, code] of [
      ['', 3501],
      ['{"id":1', 3501],
      ['{"id":1,"connect":{"token":"x"}}', 3500],
    ] as const) {
      const reader = await stream(body);
      const { push } = (await reader.next()) as { push: { disconnect: { code: number } } };
      assert.equal(push.disconnect.code, code);
      await reader.ended;
    }
  });

  test('a client that goes away is gone', async () => {
    const reader = await stream(JSON.stringify({ id: 1, connect: { token: await token({ sub: 'goer' }) } }));
    await reader.next();
    const [session] = server.realtime.hub.sessionsOf('goer');
    assert.ok(session);
    const closed = new Promise((resolve) => {
      const { onTransportClosed } = session;
      session.onTransportClosed = () => resolve(onTransportClosed.call(session));
    });
    reader.close();
    await closed;
    assert.equal(server.realtime.hub.sessionsOf('goer').length, 0);
  });
});

suite('streams of a server that shuts down, and of slow readers', () => {
  test('shutdown says 3001 and ends the stream, so that the server can close', async () => {
    const server = await startRealtime({ http_stream: ON, uni_sse: ON });
    const jwt = await token({ sub: '42' });
    const body = JSON.stringify({ id: 1, connect: { token: jwt } });
    const two = await StreamReader.open(`${server.origin}/connection/http_stream`, { body });
    const one = await StreamReader.open(`${server.origin}/connection/uni_sse`, {
      body: JSON.stringify({ token: jwt }),
    });
    await two.next();
    await one.next();
    await server.close();
    assert.deepEqual(await two.next(), { push: { disconnect: { code: 3001, reason: 'shutdown' } } });
    assert.deepEqual(await one.next(), { disconnect: { code: 3001, reason: 'shutdown' } });
    await Promise.all([one.ended, two.ended]);
  });

  test('who comes while it shuts down is sent away with 3001 as well, and holds up nothing', async (t) => {
    const server = await startRealtime({ http_stream: ON, uni_websocket: ON });
    t.after(() => server.close());
    await server.realtime.close();
    const sockets = ['websocket', 'uni_websocket'].map(
      (path) => new WebSocket(`${server.origin.replace('http', 'ws')}/connection/${path}`),
    );
    const codes = await Promise.all(sockets.map(async (socket) => (await once(socket, 'close'))[0]));
    assert.deepEqual(codes, [3001, 3001]);
    const body = JSON.stringify({ id: 1, connect: { token: await token({ sub: '42' }) } });
    const stream = await StreamReader.open(`${server.origin}/connection/http_stream`, { body });
    assert.deepEqual(await stream.next(), { push: { disconnect: { code: 3001, reason: 'shutdown' } } });
    await stream.ended;
    assert.equal(server.realtime.stats().clients, 0);
  });

  test('a slow reader of a stream is cut off, and others do not notice', async () => {
    const server = await startRealtime({ client: { queue_max_size: 100_000 }, uni_sse: ON });
    const url = `${server.origin}/connection/uni_sse`;
    const body = JSON.stringify({ token: await token({ sub: '42', channels: ['news:flood'] }) });
    const slow = await StreamReader.open(url, { body });
    const quick = await StreamReader.open(url, { body });
    await slow.next();
    await quick.next();
    slow.response.pause();
    let received = 0;
    const counted = (async () => {
      while (((await quick.next()) as { pub: { data: { last?: boolean } } }).pub.data.last !== true)
        received += 1;
    })();
    let sent = 0;
    for (const payload = 'x'.repeat(20_000); server.realtime.stats().clients === 2 && sent < 5_000; sent++) {
      await server.publish('news:flood', { payload });
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(server.realtime.stats().clients, 1, 'the slow one is gone');
    await server.publish('news:flood', { last: true });
    await counted;
    assert.equal(received, sent);
    slow.close();
    quick.close();
    await server.close();
  });

  for (const path of ['http_stream', 'sse', 'uni_http_stream', 'uni_sse']) {
    test(`who takes nothing from ${path} is cut off within seconds, whatever may wait for it`, async (t) => {
      const server = await startRealtime({
        client: { queue_max_size: 100_000_000, presence_update_interval: '100ms' },
        [path]: ON,
      });
      t.after(() => server.close());
      const connect = { token: await token({ sub: '42', channels: ['news:flood'] }) };
      const body = JSON.stringify(path.startsWith('uni') ? connect : { id: 1, connect });
      const stuck = await StreamReader.open(`${server.origin}/connection/${path}`, { body });
      await stuck.next();
      const [session] = server.realtime.hub.sessionsOf('42');
      stuck.response.pause();
      for (const payload = 'x'.repeat(100_000); session?.transport.buffered() === 0; ) {
        await server.publish('news:flood', { payload });
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => server.realtime.stats().clients === 0);
      stuck.close();
    });
  }

  test('who cannot connect in time is told so', async () => {
    const server = await startRealtime({
      client: { stale_close_delay: '50ms', token: { hmac_secret_key: SECRET } },
      http_stream: ON,
    });
    const expired = JSON.stringify({ id: 1, connect: { token: await token({ sub: '42', exp: 1 }) } });
    const reader = await StreamReader.open(`${server.origin}/connection/http_stream`, { body: expired });
    assert.equal(((await reader.next()) as { error: { code: number } }).error.code, 109);
    assert.deepEqual(await reader.next(), { push: { disconnect: { code: 3502, reason: 'stale' } } });
    await server.close();
  });
});
