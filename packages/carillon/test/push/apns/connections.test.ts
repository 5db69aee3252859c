import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { type ApnsProviderOptions, createApnsProvider } from '../../../src/push/providers/apns/index.ts';
import type { Outcome, Provider } from '../../../src/push/providers/provider.ts';
import { sendAll, stubLookup, until } from '../webpush/support.ts';
import { endsRequest, FRAME, RawService } from './raw-service.ts';
import { type Answer, ApnsService, apnsConfig, certificates, deviceToken, targets } from './support.ts';

const ALERT = { payload: { aps: { alert: 'hello' } } };
const OK: Answer = { status: 200 };

let service: ApnsService | undefined;
let raw: RawService | undefined;
let provider: Provider;

afterEach(async () => {
  await provider?.close();
  await raw?.close();
  raw = undefined;
  const left = await service?.close();
  service = undefined;
  assert.equal(left ?? 0, 0, 'sockets that stayed after close()');
});

function open(options: ApnsProviderOptions = {}, endpoint = service!.url): Provider {
  provider = createApnsProvider(apnsConfig({ endpoint }), {
    ca: certificates.ca,
    lookup: stubLookup(['127.0.0.1']),
    ...options,
  });
  return provider;
}

const send = (count: number, first = 0) => sendAll(provider, targets(count, first), ALERT);
const kinds = (outcomes: readonly Outcome[]) => new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`));
const ACCEPTED = new Set(['accepted accepted']);

/** Each of the first `count` devices was rung, and none of them twice. */
function assertEachOnce(accepted: readonly string[], count: number): void {
  assert.deepEqual(
    [...accepted].sort(),
    targets(count).map(({ token }) => token),
  );
}

describe('the limit on streams', () => {
  it('is one until the service has seen a good token, and what it raises it to after that', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 1 } });
    const openAtFirst: number[] = [];
    service!.answer = async ({ session }) => {
      if (service!.received.length > 1) return OK;
      // Time for a second stream to come, if there were one.
      await new Promise((resolve) => setTimeout(resolve, 30));
      openAtFirst.push(service!.mostOpen);
      session.settings({ maxConcurrentStreams: 20 });
      return OK;
    };
    open();
    assert.deepEqual(kinds(await send(200)), ACCEPTED);
    assert.deepEqual(openAtFirst, [1]);
    assert.ok(service!.mostOpen > 1, 'streams side by side after that');
    assertEachOnce(service!.tokens, 200);
  });

  it('may fall to none for a while: pushes wait', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 0 } });
    open();
    const sending = send(10);
    await until(() => service!.sessions.length === 1, 'the connection');
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(service!.received.length, 0);
    assert.equal(service!.sessions.length, 1, 'no further connection to a service that takes nothing');
    service!.sessions[0]!.settings({ maxConcurrentStreams: 5 });
    assert.deepEqual(kinds(await sending), ACCEPTED);
    assertEachOnce(service!.tokens, 10);
  });

  it('may fall to one again after an error, and nothing is lost', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 10 } });
    service!.answer = ({ session, token }) => {
      if (Number.parseInt(token, 16) % 7 !== 6) return OK;
      session.settings({ maxConcurrentStreams: 1 });
      return { status: 400, reason: 'PayloadEmpty' };
    };
    open();
    const outcomes = await send(100);
    assert.equal(outcomes.filter(({ kind }) => kind === 'accepted').length, 86);
    assertEachOnce(service!.tokens, 100);
  });
});

describe('a GOAWAY', () => {
  it('in the middle of many streams loses and doubles nothing', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 200 } });
    const accepted: string[] = [];
    service!.answer = async ({ session, stream, token }) => {
      if (session === service!.sessions[0]) {
        // Streams above the 40th are told that nobody looked at them; the others get their answers after that.
        if (stream.id === 39)
          session.goaway(constants.NGHTTP2_NO_ERROR, 39, Buffer.from('{"reason":"Shutdown"}'));
        if (stream.id! > 39) return 'silence';
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      accepted.push(token);
      return OK;
    };
    open();
    assert.deepEqual(kinds(await send(120)), ACCEPTED);
    assertEachOnce(accepted, 120);
    assert.equal(service!.sessions.length, 2);
  });

  it('that names a wrong certificate stops the credential after one connection', async () => {
    raw = await RawService.start();
    raw.onFrame = (frame, connection) => {
      if (endsRequest(frame)) connection.goaway(0, '{"reason":"BadCertificateEnvironment"}');
    };
    open({}, raw.url);
    const outcomes = await send(30);
    assert.deepEqual(kinds(outcomes), new Set(['retry bad_certificate_environment']));
    assert.match(
      outcomes[0]!.reason!,
      /^APNs ended the session: BadCertificateEnvironment; check .*cert_p12_file/,
    );
    assert.ok(outcomes.every(({ retryAfterMs }) => (retryAfterMs ?? 0) > 50_000));
    assert.equal(raw.connections, 1);
    await send(5);
    assert.equal(raw.connections, 1);
  });

  it('on every connection is not answered by ever more of them', async () => {
    raw = await RawService.start();
    raw.onFrame = (frame, connection) => {
      if (endsRequest(frame)) connection.goaway(0, '');
    };
    open({}, raw.url);
    for (let batch = 0; batch < 5; batch++) {
      assert.deepEqual(kinds(await send(20)), new Set(['retry connection_lost']));
    }
    assert.ok(raw.connections <= 3, `${raw.connections} connections`);
  });
});

describe('the frames of a request', () => {
  it('have no priority, and no path or token that header compression would keep', async () => {
    raw = await RawService.start();
    raw.onFrame = (frame, connection) => {
      if (endsRequest(frame)) connection.accept(frame.stream);
    };
    open({}, raw.url);
    assert.deepEqual(kinds(await send(3)), ACCEPTED);
    assert.deepEqual(
      raw.frames.filter(({ type }) => type === FRAME.priority),
      [],
    );
    const requests = raw.frames.filter(({ type }) => type === FRAME.headers);
    assert.equal(requests.length, 3);
    for (const { flags, payload } of requests) {
      assert.equal(flags & 0x20, 0, 'the flag for priority');
      // Never indexed, the name by its place in the static table: `:path` is 4, `authorization` 23 (RFC 7541 §6.2.3).
      assert.ok(payload.includes(Buffer.of(0x14)), ':path');
      assert.ok(payload.includes(Buffer.of(0x1f, 0x08)), 'authorization');
    }
  });
});

describe('a fault of a connection', () => {
  for (const [status, reason] of [
    [400, 'IdleTimeout'],
    [503, 'Shutdown'],
  ] as const) {
    it(`such as ${reason} is left behind with it`, async () => {
      service = await ApnsService.start();
      service!.answer = ({ session }) => (session === service!.sessions[0] ? { status, reason } : OK);
      open();
      assert.deepEqual(kinds(await send(20)), ACCEPTED);
      assert.equal(service!.sessions.length, 2);
    });
  }

  it('such as REFUSED_STREAM means that nothing was done: it is sent again', async () => {
    service = await ApnsService.start();
    const refused = new Set<string>();
    service!.answer = ({ stream, token }) => {
      if (refused.has(token)) return OK;
      refused.add(token);
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return 'silence';
    };
    open();
    assert.deepEqual(kinds(await send(20)), ACCEPTED);
    assert.equal(service!.received.length, 40);
  });

  it('such as a reset in mid-stream may have rung: it is for the queue to repeat', async () => {
    service = await ApnsService.start();
    service!.answer = ({ stream, token }) => {
      if (token !== deviceToken(3)) return OK;
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return 'silence';
    };
    open();
    const outcomes = await send(5);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['accepted', 'accepted', 'accepted', 'retry', 'accepted'],
    );
    assert.equal(service!.received.length, 5);
  });

  it('such as a single stream without an answer costs that connection, and the others on it nothing', async () => {
    service = await ApnsService.start();
    let isReset = false;
    service!.answer = ({ stream, token }) => {
      if (token !== deviceToken(3)) return OK;
      stream.on('close', () => {
        isReset = stream.rstCode === constants.NGHTTP2_CANCEL;
      });
      return 'silence';
    };
    open({ requestTimeoutMs: 200 });
    const outcomes = await send(10);
    assert.deepEqual([outcomes[3]!.kind, outcomes[3]!.code], ['retry', 'timeout']);
    assert.equal(outcomes.filter(({ kind }) => kind === 'accepted').length, 9);
    await until(() => isReset, 'the silent stream is reset');
    assert.deepEqual(kinds(await send(5, 20)), ACCEPTED);
    assert.equal(service!.sessions.length, 2);
    assert.notEqual(service!.received.at(-1)!.session, service!.sessions[0]);
  });
});

describe('an idle connection', () => {
  it('is pinged, and kept', async () => {
    service = await ApnsService.start();
    open({ pingIntervalMs: 15 });
    await send(1);
    await until(() => service!.pings >= 3, 'pings');
    assert.deepEqual(kinds(await send(1)), ACCEPTED);
    assert.equal(service!.sessions.length, 1);
  });

  it('whose peer is gone without a word is replaced before it is needed', async () => {
    service = await ApnsService.start();
    const proxy = await FreezableProxy.start(new URL(service!.url).port);
    try {
      open({ pingIntervalMs: 20, connectTimeoutMs: 200 }, `https://push.test:${proxy.port}`);
      await send(1);
      proxy.freeze();
      await until(() => proxy.open === 0, 'the dead connection is closed');
      assert.deepEqual(kinds(await send(3)), ACCEPTED);
      assert.equal(service!.sessions.length, 2);
    } finally {
      await provider.close();
      await proxy.close();
    }
  });
});

describe('closing', () => {
  it('ends what is under way, what waits and what comes as retry, each once', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 2 } });
    service!.answer = () => 'silence';
    open();
    const sending = send(30);
    await until(() => service!.received.length > 0, 'the first pushes');
    await provider.close();
    const outcomes = await sending;
    assert.equal(outcomes.length, 30);
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['retry']));
    assert.deepEqual(kinds(await send(2)), new Set(['retry closed']));
  });

  it('ends those who wait behind a gate that opens slowly', async () => {
    service = await ApnsService.start();
    service!.answer = () => ({ status: 403, reason: 'Forbidden' });
    let clock = 1_000_000;
    open({ clock: () => clock });
    await send(1);
    clock += 60_001;
    const sending = send(5);
    await provider.close();
    assert.deepEqual(new Set((await sending).map(({ kind }) => kind)), new Set(['retry']));
  });
});

/** A TCP proxy whose connections can be made to carry nothing more, without a FIN: a dead peer. */
class FreezableProxy {
  open = 0;
  readonly #server: ReturnType<typeof createServer>;
  readonly #pairs: [Socket, Socket][] = [];

  private constructor(upstreamPort: number) {
    this.#server = createServer((client) => {
      const upstream = connect(upstreamPort, '127.0.0.1');
      this.open += 1;
      client.on('close', () => {
        this.open -= 1;
        upstream.destroy();
      });
      for (const socket of [client, upstream]) socket.on('error', () => {});
      client.pipe(upstream);
      upstream.pipe(client);
      this.#pairs.push([client, upstream]);
    });
  }

  static async start(upstreamPort: string): Promise<FreezableProxy> {
    const proxy = new FreezableProxy(Number(upstreamPort));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  freeze(): void {
    for (const [client, upstream] of this.#pairs) {
      client.unpipe(upstream);
      upstream.unpipe(client);
      // Read on, or the end of the connection would not be seen.
      client.resume();
    }
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
