import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { WebSocket } from 'ws';
import { type RealtimeServer, startRealtime, token } from '../../support/realtime.ts';
import { StreamReader } from '../../support/streams.ts';

const ON = { enabled: true };
type Message = Record<string, unknown>;
interface Listener {
  next(): Promise<Message>;
  close(): void;
}

/** A WebSocket read message by message. */
class SocketReader implements Listener {
  readonly socket: WebSocket;
  readonly frames: string[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #wake: () => void = () => {};

  constructor(url: string, options: object = {}) {
    this.socket = new WebSocket(url, options);
    this.socket.on('message', (data) => {
      this.frames.push(data.toString());
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  async next(): Promise<Message> {
    while (this.frames.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return JSON.parse(this.frames.shift() as string);
  }

  close(): void {
    this.socket.close();
  }
}

suite('clients that only listen', () => {
  let server: RealtimeServer;
  before(async () => {
    server = await startRealtime({
      client: { ping_interval: '400ms', pong_timeout: '300ms' },
      uni_websocket: ON,
      uni_sse: ON,
      uni_http_stream: ON,
    });
  });
  after(() => server.close());

  const at = (path: string) => `${server.origin}/connection/${path}`;
  const query = (request: unknown) => `?cf_connect=${encodeURIComponent(JSON.stringify(request))}`;
  const ways: [what: string, open: (request: object) => Promise<Listener>][] = [
    [
      'WebSocket, first frame',
      async (request) => {
        const reader = new SocketReader(at('uni_websocket').replace('http', 'ws'));
        await once(reader.socket, 'open');
        reader.socket.send(JSON.stringify(request));
        return reader;
      },
    ],
    [
      'WebSocket, query',
      async (request) => new SocketReader(at('uni_websocket').replace('http', 'ws') + query(request)),
    ],
    ['SSE by GET', (request) => StreamReader.open(at('uni_sse') + query(request))],
    ['SSE by POST', (request) => StreamReader.open(at('uni_sse'), { body: JSON.stringify(request) })],
    [
      'HTTP streaming',
      (request) => StreamReader.open(at('uni_http_stream'), { body: JSON.stringify(request) }),
    ],
  ];

  for (const [what, open] of ways) {
    test(`${what}: connect, publications, what was missed, and pings come as pushes`, async () => {
      const mine = `news:mine-${what.replace(/\W/g, '')}`;
      const request = {
        token: await token({ sub: '42', channels: [mine] }),
        subs: { 'open:asked': {}, 'plain:no': {} },
      };
      const listener = await open(request);
      const { connect } = (await listener.next()) as { connect: Message & { subs: Record<string, Message> } };
      const { subs, ...rest } = connect;
      assert.deepEqual(Object.keys(rest).sort(), ['client', 'ping', 'session', 'version']);
      assert.deepEqual(Object.keys(subs).sort(), [mine, 'open:asked']);
      assert.equal(((await listener.next()) as { join: unknown; channel: string }).channel, 'open:asked');
      await server.publish(mine, { n: 1 });
      const push = (await listener.next()) as { channel: string; pub: Message };
      assert.deepEqual([push.channel, push.pub.data, push.pub.offset], [mine, { n: 1 }, 1]);
      assert.deepEqual(await listener.next(), {}, 'a ping');
      assert.deepEqual(await listener.next(), {}, 'and another: none had to be answered by a message');
      listener.close();

      await server.publish(mine, { n: 2 });
      const { epoch } = push.pub as { epoch: string };
      const again = await open({ ...request, subs: { [mine]: { recover: true, offset: 1, epoch } } });
      const { connect: second } = (await again.next()) as { connect: { subs: Record<string, Message> } };
      assert.equal(second.subs[mine]?.recovered, true);
      assert.deepEqual(second.subs[mine]?.publications, [{ data: { n: 2 }, offset: 2 }]);
      again.close();
    });
  }

  test('an empty request is one without a token', async () => {
    const anonymous = await startRealtime({
      client: { allow_anonymous_connect_without_token: true },
      uni_sse: ON,
      uni_http_stream: ON,
    });
    for (const [path, body] of [
      ['uni_sse', undefined],
      ['uni_http_stream', '{}'],
      ['uni_http_stream', 'null'],
    ] as const) {
      const reader = await StreamReader.open(`${anonymous.origin}/connection/${path}`, {
        ...(body !== undefined && { body }),
      });
      assert.ok(((await reader.next()) as { connect?: object }).connect);
      reader.close();
    }
    await anonymous.close();
  });

  test('what is no connect request is 400 over HTTP and in the query, and 3501 in a frame', async () => {
    for (const body of ['', '[]', '"x"', '{"token"'])
      assert.equal((await fetch(at('uni_http_stream'), { method: 'POST', body })).status, 400, body);
    assert.equal((await fetch(`${at('uni_sse')}?cf_connect=[1]`)).status, 400);
    assert.equal((await fetch(at('uni_http_stream'))).status, 405);
    const url = at('uni_websocket').replace('http', 'ws');
    const refused = new WebSocket(`${url}?cf_connect=x`);
    refused.on('error', () => {});
    const [, response] = await once(refused, 'unexpected-response');
    assert.equal(response.statusCode, 400);
    const reader = new SocketReader(url);
    await once(reader.socket, 'open');
    reader.socket.send('nonsense');
    assert.equal((await reader.closed).code, 3501);
  });

  test('why one is not let in comes as a push and ends the connection', async () => {
    for (const [claims, disconnect] of [
      [
        { sub: '42', exp: 1 },
        { code: 3005, reason: 'connection expired' },
      ],
      [
        { sub: '42', channel: 'x' },
        { code: 3500, reason: 'invalid token' },
      ],
    ] as const) {
      const jwt = await token(claims);
      const stream = await StreamReader.open(at('uni_http_stream'), { body: JSON.stringify({ token: jwt }) });
      assert.deepEqual(await stream.next(), { disconnect });
      await stream.ended;
      const socket = new SocketReader(at('uni_websocket').replace('http', 'ws') + query({ token: jwt }));
      assert.deepEqual(await socket.next(), { disconnect });
      assert.deepEqual(await socket.closed, disconnect);
    }
  });

  test('later frames are ignored, and a WebSocket that answers no ping frame is closed', async () => {
    const url = at('uni_websocket').replace('http', 'ws') + query({ token: await token({ sub: '42' }) });
    const lively = new SocketReader(url);
    const deaf = new SocketReader(url, { autoPong: false });
    await lively.next();
    lively.socket.send('{"id":2,"rpc":{}}');
    lively.socket.send(Buffer.from([1, 2, 3]));
    assert.deepEqual(await deaf.closed, { code: 3012, reason: 'no pong' });
    assert.deepEqual(await lively.next(), {});
    assert.equal(lively.socket.readyState, WebSocket.OPEN);
    lively.close();
  });

  test('messages come in frames of their own, or joined where that is set', async () => {
    for (const join_push_messages of [false, true]) {
      const own = await startRealtime({
        uni_websocket: { enabled: true, join_push_messages, disable_disconnect_push: true },
      });
      const url = `${own.origin.replace('http', 'ws')}/connection/uni_websocket`;
      const reader = new SocketReader(
        url + query({ token: await token({ sub: '42', channels: ['news:a'] }) }),
      );
      await reader.next();
      const [session] = own.realtime.hub.sessionsOf('42');
      session?.send({ push: { channel: 'news:a', pub: { data: 1 } } });
      session?.send({ push: { channel: 'news:a', pub: { data: 2 } } });
      await own.close();
      assert.deepEqual(await reader.closed, { code: 3001, reason: 'shutdown' });
      const [one, two] = ['{"channel":"news:a","pub":{"data":1}}', '{"channel":"news:a","pub":{"data":2}}'];
      assert.deepEqual(reader.frames, join_push_messages ? [`${one}\n${two}`] : [one, two]);
    }
  });

  test('a page of a foreign origin is refused', async () => {
    const origin = 'http://evil.example';
    const socket = new WebSocket(at('uni_websocket').replace('http', 'ws'), { origin });
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    assert.equal(response.statusCode, 403);
    assert.equal((await fetch(at('uni_sse'), { headers: { origin } })).status, 403);
  });
});
