import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { disconnect } from '../../src/realtime/codes.ts';
import { memoryEngine } from '../../src/realtime/engine.ts';
import { RawClient, type RealtimeServer, startRealtime, token } from '../support/realtime.ts';

/** What a client that talks nonsense may be closed with: a bad or early command, a bad token, text that is not UTF-8. */
const DESERVED = new Set([3500, 3501, 3508, 3013, 1007]);

suite('clients that misbehave', () => {
  let server: RealtimeServer;
  let witness: RawClient;
  let jwt: string;
  before(async () => {
    server = await startRealtime();
    jwt = await token({ sub: '42' });
    witness = await RawClient.connected(server.url, { sub: 'witness' });
  });
  after(() => {
    witness.socket.close();
    return server.close();
  });

  /** Another connection is served, at once. */
  async function othersAreServed(): Promise<void> {
    witness.send({ id: 9, history: { channel: 'plain:a' } });
    assert.equal((await witness.next()).id, 9);
  }

  /** Sends frames, then something that closes whoever is still there; gives back the code. */
  async function closeCodeAfter(frames: readonly Uint8Array[], protocol: string): Promise<number> {
    const socket = new WebSocket(server.url, [protocol]);
    socket.on('error', () => {});
    const closed = once(socket, 'close') as Promise<[number]>;
    await once(socket, 'open');
    for (const frame of frames) socket.send(frame);
    socket.send(Buffer.from(protocol === 'centrifuge-json' ? 'end' : [0xff]));
    return (await closed)[0];
  }

  test('random and mutated frames close with a deserved code, and disturb nobody', async () => {
    const good = [
      `{"id":1,"connect":{"token":"${jwt}"}}`,
      '{"id":2,"subscribe":{"channel":"news:x","recover":true,"offset":1,"flag":3}}',
      '{"id":3,"publish":{"channel":"open:x","data":{"a":[1]}}}\n{"id":4,"presence":{"channel":"open:x"}}',
      '{"id":5,"history":{"channel":"news:x","limit":5,"since":{"offset":1,"epoch":"x"}}}',
      '{"send":{"data":1}}',
      '{}',
    ].map((text) => Buffer.from(text));
    const mutated = fc
      .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }))
      .map(([frame, changes]) => {
        const copy = Buffer.from(frame);
        for (const [at, byte] of changes) copy[at % copy.length] = byte;
        return copy;
      });
    const frames = fc.array(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        frames,
        fc.constantFrom('centrifuge-json', 'centrifuge-protobuf'),
        async (list, protocol) => {
          const code = await closeCodeAfter(
            protocol === 'centrifuge-json' ? [good[0] as Buffer, ...list] : list,
            protocol,
          );
          assert.ok(DESERVED.has(code), `closed with ${code}`);
        },
      ),
      { numRuns: 150 },
    );
    await othersAreServed();
  });

  test('text that is not UTF-8 closes with 1007 in a text frame, and with 3501 in a binary one', async () => {
    const bad = Buffer.from([0x7b, 0xff, 0x7d]);
    for (const [binary, code] of [
      [false, 1007],
      [true, 3501],
    ] as const) {
      const client = await RawClient.open(server.url);
      client.socket.send(bad, { binary });
      assert.equal((await client.closed()).code, code);
    }
  });

  test('a message over the limit closes with 1009, whole, in pieces, or packed small', async (t) => {
    const own = await startRealtime({ websocket: { compression: true } });
    t.after(() => own.close());
    const huge = Buffer.alloc(5_000_000, ' ');
    const whole = new RawClient(own.url);
    await once(whole.socket, 'open');
    // No memory is kept for packing between messages.
    assert.match(
      whole.extensions,
      /^permessage-deflate; server_no_context_takeover; client_no_context_takeover$/,
    );
    whole.socket.send(huge);
    const pieces = await RawClient.open(own.url);
    for (let n = 0; n < 100; n++)
      pieces.socket.send(huge.subarray(0, 1_000), { fin: false, compress: false });
    for (const client of [whole, pieces]) assert.equal((await client.closed()).code, 1009);
  });

  test('a flood of commands is answered as fast as the client reads, or closed', async () => {
    const client = await RawClient.connected(server.url);
    const commands = Array.from({ length: 500 }, (_, n) => `{"id":${n + 1},"history":{"channel":"plain:a"}}`);
    for (let n = 0; n < 40; n++) client.sendText(commands.join('\n'));
    for (let n = 0; n < 20_000; n++) await client.next();
    await othersAreServed();
    client.socket.close();
  });

  test('while a command waits nothing more is read, and all of it is answered afterwards', async (t) => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine = memoryEngine();
    const history = engine.broker.history.bind(engine.broker);
    engine.broker.history = async (...request) => {
      await gate;
      return history(...request);
    };
    const own = await startRealtime({ engine });
    t.after(async () => {
      await own.close();
      await engine.close();
    });
    const client = await RawClient.connected(own.url);
    const [session] = own.realtime.hub.sessionsOf('42');
    assert.ok(session);
    client.send({ id: 2, subscribe: { channel: 'news:slow' } });
    const frame = JSON.stringify({ id: 3, rpc: { data: 'x'.repeat(60_000) } });
    for (let n = 0; n < 200; n++) client.sendText(frame);
    // All that the kernel does not take stays with the client.
    while (!session.isPaused) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 1_000; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(
      client.socket.bufferedAmount > 1_000_000,
      `${client.socket.bufferedAmount} bytes wait at the client`,
    );
    assert.equal(session.state, 'connected');
    release();
    for (let n = 0; n < 201; n++) assert.ok((await client.next()).id);
    client.socket.close();
  });

  test('a flood through emulation is closed with 3013', async (t) => {
    const engine = memoryEngine();
    engine.broker.history = () => new Promise(() => {});
    const own = await startRealtime({ engine, http_stream: { enabled: true } });
    t.after(async () => {
      await own.close();
      await engine.close();
    });
    const response = await fetch(`${own.origin}/connection/http_stream`, {
      method: 'POST',
      body: [
        { id: 1, connect: { token: jwt } },
        { id: 2, subscribe: { channel: 'news:a' } },
      ]
        .map((command) => JSON.stringify(command))
        .join('\n'),
    });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.ok(reader);
    const { session, node } = JSON.parse((await reader.read()).value ?? '').connect;
    const data = JSON.stringify({ id: 3, rpc: { data: 'x'.repeat(60_000) } });
    const body = JSON.stringify({ session, node, data });
    for (let n = 0; n < 20; n++) await fetch(`${own.origin}/emulation`, { method: 'POST', body });
    const last = (await reader.read()).value ?? '';
    assert.equal(JSON.parse(last).push.disconnect.code, disconnect('tooManyRequests').code);
  });

  test('10 000 subscriptions of one connection all get their publications, and are gone with it', async (t) => {
    const own = await startRealtime({ client: { channel_limit: 10_000 } });
    t.after(() => own.close());
    const client = await RawClient.connected(own.url);
    const names = Array.from({ length: 10_001 }, (_, n) => `news:${n}`);
    let refused = 0;
    for (let from = 0; from < names.length; from += 500) {
      const part = names.slice(from, from + 500);
      client.send(...part.map((channel, n) => ({ id: from + n + 1, subscribe: { channel } })));
      for (let n = 0; n < part.length; n++) {
        const { error } = (await client.next()) as { error?: { code: number } };
        if (error) {
          assert.equal(error.code, 106);
          refused += 1;
        }
      }
    }
    assert.equal(refused, 1);
    assert.equal(own.realtime.stats().subscriptions, 10_000);
    for (const channel of names.slice(0, 10_000)) await own.publish(channel, channel);
    const got = new Set<string>();
    while (got.size < 10_000) {
      const { push } = (await client.next()) as { push: { pub: { data: string } } };
      got.add(push.pub.data);
    }
    client.socket.terminate();
    while (own.realtime.stats().clients > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(own.realtime.stats(), { clients: 0, users: 0, channels: 0, subscriptions: 0 });
  });

  test('connections that say nothing, or not the truth, before they are WebSockets do not disturb', async () => {
    const { port } = new URL(server.origin);
    const open: Socket[] = [];
    for (const text of [
      '',
      'GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n',
      'GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n\r\n',
      'GET /connection/nothing HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      '\x16\x03\x01\x02\x00',
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(text);
      open.push(socket);
    }
    await othersAreServed();
    for (const socket of open) socket.resetAndDestroy();
    await othersAreServed();
  });

  test('a peer that does not answer the goodbye is cut off, and one that has only shut its half is let go', async (t) => {
    const own = await startRealtime({
      client: { stale_close_delay: '40ms' },
      websocket: { write_timeout: '50ms' },
    });
    t.after(() => own.close());
    const { port } = new URL(own.origin);
    for (const shutsItsHalf of [false, true]) {
      const began = performance.now();
      const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
      t.after(() => socket.destroy());
      const got: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => got.push(chunk));
      socket.on('error', () => {});
      const gone = Promise.race([once(socket, 'end'), once(socket, 'close')]);
      socket.write(
        `GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
      );
      if (shutsItsHalf) socket.end();
      await gone;
      assert.ok(performance.now() - began < 5_000, 'well before the 30 s after which ws gives up by itself');
      const goodbye = Buffer.from([0x0d, 0xae, ...Buffer.from('stale')]);
      assert.equal(Buffer.concat(got).includes(goodbye), !shutsItsHalf, 'a close frame with 3502');
    }
  });

  test('a client that is cut off in the middle of everything leaves nothing behind', async (t) => {
    const own = await startRealtime();
    t.after(() => own.close());
    for (let n = 0; n < 20; n++) {
      const client = await RawClient.open(own.url);
      client.send(
        { id: 1, connect: { token: jwt } },
        ...Array.from({ length: 100 }, (_, index) => ({
          id: index + 2,
          subscribe: { channel: `open:${index}` },
        })),
      );
      if (n % 2 === 0) await client.next();
      client.socket.terminate();
    }
    await RawClient.connected(own.url, { sub: 'last' });
    while (own.realtime.stats().clients > 1) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(own.realtime.stats(), { clients: 1, users: 1, channels: 0, subscriptions: 0 });
    const presence = await own.realtime.presence.stats('open:0');
    assert.deepEqual(presence, { num_clients: 0, num_users: 0 });
  });
});
