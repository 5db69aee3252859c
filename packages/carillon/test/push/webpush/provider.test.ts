import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, before, describe, it } from 'node:test';
import type { Provider } from '../../../src/push/providers/provider.ts';
import {
  createWebPushProvider,
  type WebPushProviderOptions,
} from '../../../src/push/providers/webpush/index.ts';
import {
  Browser,
  type Certificates,
  makeCertificates,
  PushService,
  sendAll,
  stubLookup,
  until,
  webPushConfig,
} from './support.ts';

const browser = new Browser();
let certificates: Certificates;
let service: PushService;
let provider: Provider;

before(() => {
  certificates = makeCertificates();
});
afterEach(async () => {
  await provider?.close();
  await service?.close();
});

const LOOPBACK = ['127.0.0.1'];

/** A provider for which the service at `push.test` is an insecure origin; TLS is verified by the tests' CA. */
function secureProvider(
  options: WebPushProviderOptions = {},
  origin = `https://push.test:${service.port}`,
): Provider {
  provider = createWebPushProvider(webPushConfig({ insecure_endpoint_origins: [origin] }), {
    ca: certificates.ca,
    lookup: stubLookup(LOOPBACK),
    ...options,
  });
  return provider;
}

function plainProvider(options: WebPushProviderOptions = {}): Provider {
  const origin = `http://127.0.0.1:${service.port}`;
  provider = createWebPushProvider(webPushConfig({ insecure_endpoint_origins: [origin] }), options);
  return provider;
}

const secureTargets = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    browser.target(`https://push.test:${service.port}/wpush/${index}`),
  );
const plainTargets = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    browser.target(`http://127.0.0.1:${service.port}/wpush/${index}`),
  );

describe('web push over HTTP/2', () => {
  it('sends what a browser can read, with the headers of RFC 8030, 8188 and 8292', async () => {
    service = await PushService.startSecure({ ...certificates });
    const message = {
      headers: { TTL: '60', urgency: 'high', Topic: 'room-7', Cookie: 'x' },
      payload: { text: 'hello' },
    };
    const [outcome] = await sendAll(secureProvider(), secureTargets(1), message);
    assert.deepEqual(outcome, { index: 0, kind: 'accepted', code: 'accepted', httpStatus: 201, id: 'id-1' });
    const [push] = service.received;
    assert.equal(push!.httpVersion, '2.0');
    assert.equal(push!.path, '/wpush/0');
    const { authorization, ...headers } = push!.headers;
    assert.match(String(authorization), /^vapid t=[\w.-]+, k=[\w-]+$/);
    assert.deepEqual(Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':'))), {
      'content-encoding': 'aes128gcm',
      'content-length': String(push!.body.length),
      'content-type': 'application/octet-stream',
      ttl: '60',
      urgency: 'high',
      topic: 'room-7',
    });
    assert.deepEqual(JSON.parse(browser.decrypt(push!.body).toString()), { text: 'hello' });
  });

  it('asks for four weeks when no TTL is given', async () => {
    service = await PushService.startSecure({ ...certificates });
    await sendAll(secureProvider(), secureTargets(1));
    assert.equal(service.received[0]!.headers.ttl, '2419200');
  });

  it('keeps one connection and one token for many pushes and batches', async () => {
    service = await PushService.startSecure({ ...certificates, settings: { maxConcurrentStreams: 100 } });
    secureProvider();
    for (let batch = 0; batch < 3; batch++) await sendAll(provider, secureTargets(80));
    assert.equal(service.received.length, 240);
    assert.equal(service.connections, 1);
    assert.equal(new Set(service.received.map((push) => push.headers.authorization)).size, 1);
  });

  it("stays within the service's limit on streams, and opens few connections", async () => {
    service = await PushService.startSecure({ ...certificates, settings: { maxConcurrentStreams: 3 } });
    let open = 0;
    let most = 0;
    service.answer = (_push, response) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => {
        open -= 1;
        response.writeHead(201).end();
      });
    };
    const outcomes = await sendAll(secureProvider(), secureTargets(200));
    assert.ok(outcomes.every(({ kind }) => kind === 'accepted'));
    assert.ok(service.connections > 1 && service.connections <= 6, `${service.connections} connections`);
    assert.ok(most <= 3 * 6, `${most} streams at once`);
  });

  it('sends again on another session what a GOAWAY says was not looked at', async () => {
    service = await PushService.startSecure({ ...certificates });
    secureProvider();
    await sendAll(provider, secureTargets(1));
    // The next request is already on its way when the service says good-bye to all after the first stream.
    const sending = sendAll(provider, secureTargets(20));
    service.sessions[0]!.goaway(0, 1);
    const outcomes = await sending;
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['accepted']));
    assert.equal(outcomes.length, 20);
    assert.equal(service.connections, 2);
    assert.equal(service.received.length, 21);
  });

  it('does so even if the GOAWAY carries an error', async () => {
    service = await PushService.startSecure({ ...certificates });
    secureProvider();
    await sendAll(provider, secureTargets(1));
    const answer = service.answer;
    service.answer = (push, response) => {
      if (service.sessions.length > 1) answer(push, response);
      else service.sessions[0]!.goaway(11, 1);
    };
    const outcomes = await sendAll(provider, secureTargets(5));
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      Array(5).fill('accepted'),
    );
  });

  it('reports retry for what a GOAWAY with an error cut off in mid-stream', async () => {
    service = await PushService.startSecure({ ...certificates });
    service.answer = () => {
      if (service.received.length === 5) service.sessions[0]!.destroy(undefined, 11);
    };
    const outcomes = await sendAll(secureProvider(), secureTargets(5));
    assert.deepEqual(
      new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`)),
      new Set(['retry connection_lost']),
    );
    service.answer = (_push, response) => void response.writeHead(201).end();
    const [outcome] = await sendAll(provider, secureTargets(1));
    assert.equal(outcome!.kind, 'accepted');
  });

  it('reports retry for a reset of the stream or of the connection', async () => {
    service = await PushService.startSecure({ ...certificates });
    service.answer = (push, response) => {
      const { stream } = response as unknown as {
        stream: { close(code: number): void; session: { socket: never } };
      };
      if (push.path.endsWith('/0')) stream.close(2);
      else service.sessions[0]!.destroy();
    };
    const outcomes = await sendAll(secureProvider(), secureTargets(2));
    for (const outcome of outcomes) {
      assert.equal(outcome.kind, 'retry');
      assert.equal(outcome.code, 'connection_lost');
      assert.ok(outcome.reason);
    }
  });

  it('reports retry with code timeout when the service is silent, and takes another connection after that', async () => {
    service = await PushService.startSecure({ ...certificates });
    service.answer = () => {};
    secureProvider({ requestTimeoutMs: 50 });
    const outcomes = await sendAll(provider, secureTargets(3));
    assert.deepEqual(
      outcomes.map(({ kind, code }) => `${kind} ${code}`),
      Array(3).fill('retry timeout'),
    );
    service.answer = (_push, response) => void response.writeHead(201).end();
    const [outcome] = await sendAll(provider, secureTargets(1));
    assert.equal(outcome!.kind, 'accepted');
    assert.equal(service.connections, 2);
  });

  it('closes a connection that idles, and opens another when there is work again', async () => {
    service = await PushService.startSecure({ ...certificates });
    secureProvider({ idleTimeoutMs: 20 });
    await sendAll(provider, secureTargets(1));
    await until(
      () => service.sessions[0]!.closed || service.sessions[0]!.destroyed,
      'the idle session closes',
    );
    const [outcome] = await sendAll(provider, secureTargets(1));
    assert.equal(outcome!.kind, 'accepted');
    assert.equal(service.connections, 2);
  });

  it('waits no longer for a connect than it may, and not once a target', async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    service = await PushService.startPlain();
    try {
      const origin = `https://push.test:${(mute.address() as AddressInfo).port}`;
      secureProvider({ connectTimeoutMs: 100 }, origin);
      const startedAt = performance.now();
      const targets = Array.from({ length: 50 }, (_, index) => browser.target(`${origin}/${index}`));
      const outcomes = await sendAll(provider, targets);
      assert.deepEqual(
        new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`)),
        new Set(['retry connect_timeout']),
      );
      assert.equal(outcomes.length, 50);
      assert.ok(performance.now() - startedAt < 1_500);
    } finally {
      await provider.close();
      mute.close();
    }
  });

  it('breaks off a connect when it is closed', async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    service = await PushService.startPlain();
    const origin = `https://push.test:${(mute.address() as AddressInfo).port}`;
    secureProvider({ connectTimeoutMs: 60_000 }, origin);
    const sending = sendAll(provider, [browser.target(`${origin}/x`)]);
    await once(mute, 'connection');
    await provider.close();
    const [outcome] = await sending;
    assert.deepEqual([outcome!.kind, outcome!.code], ['retry', 'closed']);
    // Resolves only when the socket is gone.
    await new Promise((resolve) => mute.close(resolve));
  });

  it('does not believe a certificate of an unknown authority', async () => {
    service = await PushService.startSecure({ ...certificates });
    const [outcome] = await sendAll(secureProvider({ ca: undefined }), secureTargets(1));
    assert.deepEqual([outcome!.kind, outcome!.code], ['retry', 'connect_failed']);
    assert.equal(service.received.length, 0);
  });
});

describe('web push over HTTP/1.1', () => {
  it('is what a TLS service without h2 gets, on connections that are kept', async () => {
    service = await PushService.startSecureHttp1(certificates);
    secureProvider();
    for (let batch = 0; batch < 3; batch++) {
      const outcomes = await sendAll(provider, secureTargets(16));
      assert.ok(
        outcomes.every(({ kind }) => kind === 'accepted'),
        JSON.stringify(outcomes[0]),
      );
    }
    assert.equal(service.received[0]!.httpVersion, '1.1');
    assert.equal(service.received[0]!.headers.host, `push.test:${service.port}`);
    assert.ok(service.connections <= 16, `${service.connections} connections for 48 pushes`);
  });

  it('goes to a plain insecure origin, and the browser can read it', async () => {
    service = await PushService.startPlain();
    const outcomes = await sendAll(plainProvider(), plainTargets(40));
    assert.ok(outcomes.every(({ kind }) => kind === 'accepted'));
    assert.equal(service.received.length, 40);
    assert.deepEqual(JSON.parse(browser.decrypt(service.received[7]!.body).toString()), { text: 'hello' });
  });

  it('reports each target by its own answer', async () => {
    service = await PushService.startPlain();
    const answers = [201, 410, 404, 429, 503, 403, 413, 302];
    service.answer = (push, response) => {
      const status = answers[Number(push.path.split('/').pop())]!;
      const location = `http://127.0.0.1:${service.port}/elsewhere`;
      response.writeHead(status, status === 302 ? { location } : { 'retry-after': '9' });
      response.end(`status ${status}`);
    };
    const outcomes = await sendAll(plainProvider(), plainTargets(answers.length));
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['accepted', 'gone', 'gone', 'retry', 'retry', 'failed', 'failed', 'failed'],
    );
    assert.equal(outcomes[3]!.retryAfterMs, 9000);
    assert.equal(outcomes[5]!.reason, 'push service answered 403: status 403');
    assert.equal(
      service.received.some(({ path }) => path === '/elsewhere'),
      false,
    );
    assert.equal(service.received.length, answers.length);
  });

  it('does not repeat the endpoint when the service does', async () => {
    service = await PushService.startPlain();
    service.answer = (push, response) => void response.writeHead(400).end(`cannot push to ${push.path}`);
    const endpoint = `http://127.0.0.1:${service.port}/wpush/v2/gAAAAAB${'secret'.repeat(100)}`;
    const [outcome] = await sendAll(plainProvider(), [browser.target(endpoint)]);
    assert.equal(outcome!.reason, 'push service answered 400: cannot push to /wpush/v2/gAAA…');
  });

  it('reports retry for silence, for a reset and for a refused connection', async () => {
    service = await PushService.startPlain();
    service.answer = (push, response) => {
      if (push.path.endsWith('/1')) response.socket!.destroy();
    };
    const outcomes = await sendAll(plainProvider({ requestTimeoutMs: 100 }), plainTargets(2));
    assert.deepEqual(
      outcomes.map(({ kind, code }) => `${kind} ${code}`),
      ['retry timeout', 'retry connection_lost'],
    );
    const targets = plainTargets(2);
    await service.close();
    const refused = await sendAll(provider, targets);
    assert.ok(
      refused.every(({ kind, code }) => kind === 'retry' && code.startsWith('connect')),
      JSON.stringify(refused),
    );
  });

  it('sends again when the service had closed a kept connection in the meantime', async () => {
    service = await PushService.startPlain();
    plainProvider();
    await sendAll(provider, plainTargets(1));
    let cut = 0;
    service.answer = (_push, response) => {
      if (cut++ === 0) response.socket!.resetAndDestroy();
      else response.writeHead(201).end();
    };
    const [outcome] = await sendAll(provider, plainTargets(1));
    assert.equal(outcome!.kind, 'accepted');
  });

  it('listens to 64 KiB of an answer at most', async () => {
    service = await PushService.startPlain();
    let sent = 0;
    let isCut = false;
    service.answer = (_push, response) => {
      response.writeHead(500, { 'content-type': 'text/plain' });
      response.on('close', () => {
        isCut = true;
      });
      const more = (): void => {
        if (isCut) return;
        sent += 16_384;
        response.write('x'.repeat(16_384));
        setImmediate(more);
      };
      more();
    };
    const [outcome] = await sendAll(plainProvider(), plainTargets(1));
    assert.equal(outcome!.code, 'internal_error');
    assert.ok(outcome!.reason!.length < 250);
    await until(() => isCut, 'the answer is cut off');
    assert.ok(sent < 16_000_000, `${sent} bytes were sent`);
  });
});

describe('the guard against requests into private networks', () => {
  const anyOrigin = (options: WebPushProviderOptions) => {
    provider = createWebPushProvider(webPushConfig({ allowed_endpoint_origins: ['*'] }), {
      ca: certificates.ca,
      ...options,
    });
    return provider;
  };

  it('refuses, at connect time, a name that resolves to loopback', async () => {
    service = await PushService.startSecure({ ...certificates });
    const [outcome] = await sendAll(anyOrigin({ lookup: stubLookup(LOOPBACK) }), secureTargets(1));
    assert.deepEqual([outcome!.kind, outcome!.code], ['failed', 'address_blocked']);
    assert.equal(service.connections, 0);
  });

  it('gives way to emulator_address alone: all goes there, under the endpoint’s own name and certificate', async () => {
    service = await PushService.startSecure({ ...certificates });
    provider = createWebPushProvider(
      webPushConfig({ allowed_endpoint_origins: ['*'], emulator_address: `127.0.0.1:${service.port}` }),
      { ca: certificates.ca },
    );
    const [outcome] = await sendAll(provider, [browser.target('https://localhost/wpush/1')]);
    assert.equal(outcome!.kind, 'accepted');
    const [stranger] = await sendAll(provider, [browser.target('https://elsewhere.example/wpush/1')]);
    assert.deepEqual(
      [stranger!.kind, stranger!.code],
      ['retry', 'connect_failed'],
      'certificates are checked',
    );
  });

  it('refuses localhost by the resolver of the system', async () => {
    service = await PushService.startSecure({ ...certificates });
    const target = browser.target(`https://localhost:${service.port}/x`);
    const [outcome] = await sendAll(anyOrigin({}), [target]);
    assert.deepEqual([outcome!.kind, outcome!.code], ['failed', 'address_blocked']);
    assert.equal(service.connections, 0);
  });

  it('resolves a name once a connection and connects to the address that was checked', async () => {
    service = await PushService.startSecure({ ...certificates });
    const lookup = stubLookup(LOOPBACK, ['127.0.0.2']);
    await sendAll(secureProvider({ lookup }), secureTargets(10));
    assert.equal(lookup.calls, 1);
    assert.equal(service.connections, 1);
  });

  it('checks endpoints again at each send, for the rules may have changed since registration', async () => {
    service = await PushService.startPlain();
    provider = createWebPushProvider(webPushConfig());
    const targets = [
      browser.target(`http://127.0.0.1:${service.port}/x`),
      browser.target('https://push.example.com/x'),
      browser.target('https://2130706433/x'),
    ];
    const outcomes = await sendAll(provider, targets);
    assert.ok(outcomes.every(({ kind, code }) => kind === 'failed' && code === 'endpoint_not_allowed'));
    assert.equal(service.connections, 0);
  });

  it('lifts no rule for other ports of an insecure origin', async () => {
    service = await PushService.startPlain();
    plainProvider();
    const [outcome] = await sendAll(provider, [browser.target(`http://127.0.0.1:${service.port + 1}/x`)]);
    assert.equal(outcome!.code, 'endpoint_not_allowed');
  });
});

describe('a batch with bad members', () => {
  it('fails the targets whose keys are broken, names the key, and sends the rest', async () => {
    service = await PushService.startPlain();
    const [good] = plainTargets(1);
    const offCurve = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)]).toString('base64url');
    const outcomes = await sendAll(plainProvider(), [
      { token: good!.token },
      { token: good!.token, keys: { ...browser.keys, auth: 'AA' } },
      { token: good!.token, keys: { ...browser.keys, p256dh: offCurve } },
      good!,
    ]);
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      ['invalid_keys', 'invalid_keys', 'invalid_keys', 'accepted'],
    );
    assert.match(outcomes[0]!.reason!, /keys\.p256dh/);
    assert.match(outcomes[1]!.reason!, /keys\.auth/);
    assert.match(outcomes[2]!.reason!, /keys\.p256dh/);
  });

  it('fails as a whole when the message is too large after rendering', async () => {
    service = await PushService.startPlain();
    const outcomes = await sendAll(plainProvider(), plainTargets(2), { payload: { text: 'x'.repeat(4000) } });
    assert.deepEqual(
      outcomes.map(({ kind, code }) => `${kind} ${code}`),
      Array(2).fill('failed invalid_message'),
    );
    assert.equal(service.received.length, 0);
  });

  it('is not held up by a service that is silent', async () => {
    service = await PushService.startSecure({ ...certificates });
    const silent = await PushService.startPlain();
    silent.answer = () => {};
    try {
      const silentOrigin = `http://127.0.0.1:${silent.port}`;
      const origin = `https://push.test:${service.port}`;
      provider = createWebPushProvider(webPushConfig({ insecure_endpoint_origins: [origin, silentOrigin] }), {
        ca: certificates.ca,
        lookup: stubLookup(LOOPBACK),
        requestTimeoutMs: 500,
      });
      const order: number[] = [];
      const targets = [browser.target(`${silentOrigin}/x`), ...secureTargets(5)];
      await provider.send({ targets, message: { payload: {} } }, ({ index }) => order.push(index));
      assert.equal(order.at(-1), 0);
      assert.equal(order.length, 6);
    } finally {
      await silent.close();
    }
  });
});

describe('closing the provider', () => {
  it('ends sends under way as retry, and later ones too', async () => {
    service = await PushService.startSecure({ ...certificates, settings: { maxConcurrentStreams: 2 } });
    service.answer = () => {};
    secureProvider();
    const sending = sendAll(provider, secureTargets(30));
    await until(() => service.received.length >= 2, 'the first pushes arrive');
    await provider.close();
    const outcomes = await sending;
    assert.equal(outcomes.length, 30);
    assert.ok(outcomes.every(({ kind }) => kind === 'retry'));
    const [late] = await sendAll(provider, secureTargets(1));
    assert.deepEqual([late!.kind, late!.code], ['retry', 'closed']);
  });
});
