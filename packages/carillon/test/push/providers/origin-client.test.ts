import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, {
  type ClientHttp2Session,
  createServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fullCollections } from '../../../src/push/providers/http/full-collections.ts';
import { OriginClient } from '../../../src/push/providers/http/origin-client.ts';
import type { Slot } from '../../../src/push/providers/http/slots.ts';
import {
  answerTo,
  type HttpRequest,
  TransportError,
  type TransportOptions,
} from '../../../src/push/providers/http/transport.ts';

const POST: HttpRequest = { path: '/', headers: ['content-length', '2'], body: Buffer.from('{}') };

interface Service {
  readonly client: OriginClient;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  send(slot: Slot): Promise<number>;
}

/** A service over HTTP/2 without TLS, and a client for it. */
async function start(
  t: TestContext,
  options: Partial<TransportOptions>,
  answer: (stream: ServerHttp2Stream) => void = (stream) => {
    stream.respond({ ':status': 201 });
    stream.end();
  },
): Promise<Service> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    stream.resume();
    answer(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new OriginClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    lookup: () => assert.fail('an address needs no lookup'),
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    http2Only: true,
    ...options,
  });
  t.after(async () => {
    client.close();
    for (const session of sessions) session.destroy();
    server.close();
    await once(server, 'close');
  });
  return {
    client,
    sessions,
    send: async (slot) => (await answerTo((onResult) => client.send(slot, POST, onResult))).status,
  };
}

describe('the connections to one service', () => {
  it('give as many slots as there is room for, at most as many as are wanted', async (t) => {
    const { client } = await start(t, { maxStreams: 5, maxConnections: 1 });
    assert.equal((await client.acquire(3)).length, 3);
    assert.equal((await client.acquire(10)).length, 2);
  });

  it('give who waits all slots that became free in a turn, and who came first before others', async (t) => {
    const { client } = await start(t, { maxStreams: 5, maxConnections: 1 });
    const slots = await client.acquire(5);
    const first = client.acquire(3);
    const second = client.acquire(3);
    for (const slot of slots) slot.release();
    assert.equal((await first).length, 3);
    assert.equal((await second).length, 2);
  });

  it('are one while it answers faster than anybody could ask', async (t) => {
    const { client, sessions, send } = await start(t, { maxStreams: 1_000 });
    assert.equal(await send((await client.acquire())[0]), 201);
    const slots = await client.acquire(1_000);
    assert.equal(slots.length, 1_000);
    const waiting = client.acquire();
    for (const slot of slots) slot.release();
    await waiting;
    assert.equal(sessions.size, 1);
  });

  it('become more when it could answer more on them', async (t) => {
    const { client, sessions, send } = await start(t, { maxStreams: 1, maxConnections: 3 });
    assert.equal(await send((await client.acquire())[0]), 201);
    const first = await client.acquire(2);
    const second = await client.acquire(2);
    assert.deepEqual([first.length, second.length, sessions.size], [1, 1, 2]);
  });

  it('are left alone beyond those that answer faster than anybody could ask, until these go silent', async (t) => {
    let isSilent = false;
    const { client, sessions, send } = await start(t, { maxStreams: 1_000 }, (stream) => {
      if (isSilent && stream.session === first) return;
      stream.respond({ ':status': 201 });
      stream.end();
    });
    await send((await client.acquire())[0]);
    const [first] = sessions as Set<ServerHttp2Session>;
    await allow(first, 1);
    const slots = [...(await client.acquire()), ...(await client.acquire())];
    assert.equal(sessions.size, 2);
    for (const slot of slots) slot.release();
    await allow(first, 1_000);
    const all = await client.acquire(1_500);
    assert.equal(all.length, 1_000);

    isSilent = true;
    const waiting = client.acquire();
    let givenUp = 0;
    const lost = all.map((slot) =>
      send(slot).catch(() => {
        givenUp += 1;
      }),
    );
    const [spare] = await waiting;
    assert.equal(givenUp, 0, 'none had to be given up for it');
    assert.equal(await send(spare), 201);
    client.close();
    await Promise.all(lost);
  });

  it('give up a request at its deadline, and none that was answered before', async (t) => {
    const held: ServerHttp2Stream[] = [];
    const { client, send } = await start(t, { requestTimeoutMs: 50 }, (stream) => {
      if (held.push(stream) === 1) return;
      stream.respond({ ':status': 201 });
      stream.end();
    });
    const [silent, quick] = await client.acquire(2);
    const lost = send(silent);
    assert.equal(await send(quick as Slot), 201);
    await assert.rejects(lost, (error) => error instanceof TransportError && error.code === 'timeout');
    assert.equal(await send((await client.acquire())[0]), 201);
  });

  it('are replaced when the numbers of their streams are used up', async (t) => {
    const MOST = 2 ** 31 - 1;
    // The types do not know it.
    type Numbered = ClientHttp2Session & { setNextStreamID(id: number): void };
    const { connect } = http2;
    t.mock.method(http2, 'connect', (...args: Parameters<typeof connect>) => {
      const session = connect(...args) as Numbered;
      session.once('remoteSettings', () => session.setNextStreamID(MOST - 2));
      return session;
    });
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    const { client, sessions, send } = await start(t, { maxStreams: 10, maxConnections: 1 });
    for (const _ of [1, 2, 3, 4, 5]) {
      const [slot] = await client.acquire();
      assert.equal(await send(slot), 201);
    }
    assert.equal(sessions.size, 3);
  });

  it('are replaced one after the other when they are worn, and not before the next one has answered', async (t) => {
    const held: (() => void)[] = [];
    let isHolding = false;
    const { client, sessions, send } = await start(
      t,
      { maxStreams: 1, maxConnections: 1, wornAfterRequests: 2 },
      (stream) => {
        const answer = () => {
          stream.respond({ ':status': 201 });
          stream.end();
        };
        if (isHolding) held.push(answer);
        else answer();
      },
    );
    const use = async () => send((await client.acquire())[0]);
    await use();
    await use();
    const [first] = sessions;
    await collectAll();
    isHolding = true;
    const [one] = await client.acquire();
    const two = client.acquire();
    const sent = [send(one), two.then(([slot]) => send(slot))];
    while (held.length < 2) await setImmediate();
    assert.deepEqual([sessions.size, first?.closed], [2, false]);
    for (const answer of held.splice(0)) answer();
    assert.deepEqual(await Promise.all(sent), [201, 201]);
    isHolding = false;
    if (!first?.closed) await once(first as ServerHttp2Session, 'close');
    assert.equal(await use(), 201);
    assert.equal(sessions.size, 2);
  });

  it('are replaced when they are worn, even if another beside them answers faster than anybody could ask', async (t) => {
    const { client, sessions, send } = await start(t, { maxStreams: 1_000, wornAfterRequests: 2 });
    await send((await client.acquire())[0]);
    const [first] = sessions;
    await allow(first, 1);
    for (const slot of [...(await client.acquire()), ...(await client.acquire())]) await send(slot);
    await allow(first, 1_000);
    await collectAll();
    const all = await client.acquire(2_000);
    assert.deepEqual([all.length, sessions.size], [2_000, 2]);
    const [next] = await client.acquire();
    assert.equal(sessions.size, 3);
    assert.equal(await send(next), 201);
    for (const slot of all) slot.release();
    if (!first?.closed) await once(first as ServerHttp2Session, 'close');
  });
});

/** Has the client know of it, too. */
async function allow(session: ServerHttp2Session | undefined, streams: number): Promise<void> {
  session?.settings({ maxConcurrentStreams: streams });
  await once(session as ServerHttp2Session, 'localSettings');
}

/** Has V8 collect all garbage, and resolves when that is known. */
async function collectAll(): Promise<void> {
  const before = fullCollections();
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  while (fullCollections() === before) await setImmediate();
}
