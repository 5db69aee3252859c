import assert from 'node:assert/strict';
import { sensitiveHeaders } from 'node:http2';
import { afterEach, describe, it } from 'node:test';
import { type ApnsProviderOptions, createApnsProvider } from '../../../src/push/providers/apns/index.ts';
import type { Outcome, Provider } from '../../../src/push/providers/provider.ts';
import { sendAll, stubLookup } from '../webpush/support.ts';
import {
  type Answer,
  ApnsService,
  apnsConfig,
  certificates,
  deviceToken,
  makePkcs12,
  targets,
} from './support.ts';

const MINUTE = 60_000;
const ALERT = { payload: { aps: { alert: 'hello' } } };

let service: ApnsService;
let provider: Provider;

afterEach(async () => {
  await provider?.close();
  await service?.close();
});

function open(options: ApnsProviderOptions = {}, config = {}): Provider {
  provider = createApnsProvider(apnsConfig({ endpoint: service.url, ...config }), {
    ca: certificates.ca,
    lookup: stubLookup(['127.0.0.1']),
    ...options,
  });
  return provider;
}

const send = (count: number, first = 0) => sendAll(provider, targets(count, first), ALERT);
const kinds = (outcomes: readonly Outcome[]) => new Set(outcomes.map(({ kind, code }) => `${kind} ${code}`));
const authorizations = () => new Set(service.received.map(({ headers }) => headers.authorization));

describe('a push through APNs', () => {
  it('arrives with the headers, the token and the body that APNs wants', async () => {
    service = await ApnsService.start();
    const message = {
      headers: { 'apns-priority': '5', 'apns-collapse-id': 'чат-7', 'x-other': 'y' },
      payload: { aps: { alert: 'héllo' } },
    };
    const [outcome] = await sendAll(open(), targets(1, 7), message);
    assert.deepEqual(outcome, {
      index: 0,
      kind: 'accepted',
      code: 'accepted',
      httpStatus: 200,
      id: 'ID-0007',
    });
    const [push] = service.received;
    const { ':method': method, ':path': path, ':scheme': scheme, authorization, ...headers } = push!.headers;
    assert.deepEqual([method, path, scheme], ['POST', `/3/device/${deviceToken(7)}`, 'https']);
    assert.match(authorization!, /^bearer [\w-]+\.[\w-]+\.[\w-]+$/);
    const collapseId = Buffer.from(headers['apns-collapse-id'] as string, 'latin1').toString();
    assert.equal(collapseId, 'чат-7');
    delete headers[':authority'];
    delete headers['apns-collapse-id'];
    assert.deepEqual(
      { ...headers },
      {
        'apns-priority': '5',
        'apns-push-type': 'alert',
        'apns-topic': 'com.example.app',
        'content-length': String(Buffer.byteLength(push!.body)),
        // What header compression must never keep in its table.
        [sensitiveHeaders]: [':path', 'authorization'],
      },
    );
    assert.deepEqual(JSON.parse(push!.body), message.payload);
  });

  it('shares one connection and one token with all others, and the token is renewed', async () => {
    service = await ApnsService.start();
    let now = 1_700_000_400_000;
    open({ now: () => now, clock: () => now });
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(kinds(await send(60)), new Set(['accepted accepted']));
      now += 16 * MINUTE;
    }
    assert.equal(authorizations().size, 1);
    now += 10 * MINUTE;
    await send(60);
    assert.equal(authorizations().size, 2);
    assert.equal(service.sessions.length, 1);
    assert.equal(service.received.length, 240);
  });

  it('is reported by its own answer', async () => {
    service = await ApnsService.start();
    const answers: Answer[] = [
      { status: 200 },
      { status: 410, reason: 'Unregistered', timestamp: 1_508_249_865_488 },
      { status: 400, reason: 'PayloadEmpty' },
      { status: 429, reason: 'TooManyRequests' },
      { status: 500, reason: 'InternalServerError' },
      { status: 400, reason: 'BadDeviceToken' },
      { status: 200 },
    ];
    service.answer = ({ token }) => answers[Number.parseInt(token, 16)]!;
    open();
    const outcomes = await send(7);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['accepted', 'gone', 'failed', 'retry', 'retry', 'gone', 'accepted'],
    );
    assert.equal(outcomes[1]!.goneSince, 1_508_249_865_488);
    assert.equal(service.received.length, 7);
  });

  it('goes to tokens only', async () => {
    service = await ApnsService.start();
    open();
    const outcomes = await sendAll(
      provider,
      [{ token: '../x' }, { token: 'news', kind: 'topic' }, ...targets(1)],
      ALERT,
    );
    assert.deepEqual(
      outcomes.map(({ kind, code }) => `${kind} ${code}`),
      ['failed invalid_token', 'failed invalid_token', 'accepted accepted'],
    );
    assert.equal(service.received.length, 1);
  });

  it('fails without being sent when the rendered message is too large', async () => {
    service = await ApnsService.start();
    const outcomes = await sendAll(open(), targets(2), { payload: { text: 'x'.repeat(5000) } });
    assert.deepEqual(kinds(outcomes), new Set(['failed invalid_message']));
    assert.equal(service.received.length, 0);
  });
});

describe('addresses that APNs calls bad', () => {
  for (const reason of ['BadDeviceToken', 'DeviceTokenNotForTopic']) {
    it(`stay when all of them are: ${reason} tells of a wrong environment`, async () => {
      service = await ApnsService.start();
      service.answer = () => ({ status: 400, reason });
      open();
      for (let batch = 0; batch < 3; batch++) {
        const outcomes = await send(100);
        assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['failed']));
        assert.match(outcomes[0]!.reason!, /the device is kept: .*wrong key or environment/);
      }
    });
  }

  it('stay when all of them are from one batch to the next, however many were accepted before', async () => {
    service = await ApnsService.start();
    open();
    for (let batch = 0; batch < 10; batch++) await send(100);
    service.answer = () => ({ status: 400, reason: 'BadDeviceToken' });
    for (let batch = 0; batch < 3; batch++) {
      assert.deepEqual(kinds(await send(100)), new Set(['failed bad_device_token']));
    }
    let gone = 0;
    for (let single = 0; single < 200; single++) {
      const [outcome] = await send(1);
      if (outcome!.kind === 'gone') gone += 1;
    }
    assert.equal(gone, 0);
  });

  it('go where most others are accepted', async () => {
    service = await ApnsService.start();
    service.answer = ({ token }) =>
      Number.parseInt(token, 16) % 10 === 3 ? { status: 400, reason: 'BadDeviceToken' } : { status: 200 };
    open();
    const outcomes = await send(50);
    assert.deepEqual(
      outcomes.filter(({ kind }) => kind === 'gone').map(({ index }) => index),
      [3, 13, 23, 33, 43],
    );
  });

  it('of another topic are judged by that topic alone', async () => {
    service = await ApnsService.start();
    service.answer = ({ headers }) =>
      headers['apns-topic'] === 'com.example.app'
        ? { status: 200 }
        : { status: 400, reason: 'DeviceTokenNotForTopic' };
    open();
    await send(100);
    const message = { headers: { 'apns-topic': 'com.example.typo' }, ...ALERT };
    assert.deepEqual(
      kinds(await sendAll(provider, targets(10), message)),
      new Set(['failed device_token_not_for_topic']),
    );
  });
});

describe('what the operator has to mend', () => {
  it('stops the credential: the rest of a batch waits unsent, and goes out when it is mended', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 1 } });
    service.answer = () => ({ status: 403, reason: 'InvalidProviderToken' });
    let clock = 1_000_000;
    open({ clock: () => clock });
    const batches = await Promise.all([40, 2, 2, 2, 2, 2].map((count) => send(count)));
    const outcomes = batches[0]!;
    assert.deepEqual(kinds(batches.flat()), new Set(['retry invalid_provider_token']));
    assert.ok(service.received.length <= 2, `${service.received.length} were sent`);
    assert.ok(outcomes.every(({ retryAfterMs }) => retryAfterMs === 60_000));
    assert.match(outcomes[0]!.reason!, /^APNs answered 403: .*apns\.token_key_id/);
    assert.match(outcomes[39]!.reason!, /^not sent: APNs answered 403/);

    const before = service.received.length;
    clock += 59_000;
    await send(3);
    assert.equal(service.received.length, before, 'nothing is sent while the gate is shut');
    service.answer = () => ({ status: 200 });
    clock += 200_000;
    assert.deepEqual(kinds(await send(40)), new Set(['accepted accepted']));
  });

  it('stops one topic only, where it is about a topic', async () => {
    service = await ApnsService.start();
    service.answer = ({ headers }) =>
      headers['apns-topic'] === 'com.example.app'
        ? { status: 200 }
        : { status: 400, reason: 'TopicDisallowed' };
    open();
    const typo = { headers: { 'apns-topic': 'com.example.typo' }, ...ALERT };
    assert.deepEqual(kinds(await sendAll(provider, targets(3), typo)), new Set(['retry topic_disallowed']));
    assert.deepEqual(kinds(await send(3)), new Set(['accepted accepted']));
    const sent = service.received.length;
    assert.deepEqual(kinds(await sendAll(provider, targets(3), typo)), new Set(['retry topic_disallowed']));
    assert.equal(service.received.length, sent);
  });
});

describe('a certificate', () => {
  it('is shown to the service, and no token with it', async () => {
    service = await ApnsService.start();
    const cert_p12_b64 = makePkcs12('Apple Push Services: com.example.app', 'open sesame');
    open({}, { auth_type: 'cert', token_key_pem: '', cert_p12_b64, cert_p12_password: 'open sesame' });
    assert.deepEqual(kinds(await send(20)), new Set(['accepted accepted']));
    assert.equal(service.clientName(0), 'Apple Push Services: com.example.app');
    assert.equal(service.received[0]!.headers.authorization, undefined);
    assert.equal(service.received[0]!.headers['apns-topic'], 'com.example.app');
  });

  it('is not shown where a token is used', async () => {
    service = await ApnsService.start();
    open();
    await send(1);
    assert.equal(service.clientName(0), undefined);
  });
});

describe('a provider token that APNs refuses', () => {
  it('as expired is replaced once for all, on other connections, and nothing is lost', async () => {
    service = await ApnsService.start();
    const now = 1_700_000_460_000;
    // The wedge: whoever showed an expired token is told so for ever, whatever it shows next.
    let expired: string | undefined;
    const wedged = new Set<unknown>();
    service.answer = ({ session, headers }) => {
      expired ??= headers.authorization;
      if (headers.authorization === expired) wedged.add(session);
      return wedged.has(session) ? { status: 403, reason: 'ExpiredProviderToken' } : { status: 200 };
    };
    open({ now: () => now });
    assert.deepEqual(kinds(await send(100)), new Set(['accepted accepted']));
    assert.equal(authorizations().size, 2);
    const accepted = service.received.filter(({ session }) => !wedged.has(session)).map(({ token }) => token);
    assert.equal(accepted.length, 100);
    assert.equal(new Set(accepted).size, 100);
    assert.equal(service.sessions.length, 2);
  });

  it('as expired again and again is a matter of the clock', async () => {
    service = await ApnsService.start();
    service.answer = () => ({ status: 403, reason: 'ExpiredProviderToken' });
    const outcomes = await sendAll(open(), targets(50), ALERT);
    assert.deepEqual(kinds(outcomes), new Set(['retry expired_provider_token']));
    assert.match(outcomes[0]!.reason!, /check the clock of this machine/);
    assert.ok(authorizations().size <= 2, `${authorizations().size} tokens were made`);
    const sent = service.received.length;
    await send(5);
    assert.equal(service.received.length, sent);
  });

  it('as one of too many is kept, and used on another connection', async () => {
    service = await ApnsService.start();
    service.answer = ({ session }) =>
      session === service.sessions[0]
        ? { status: 429, reason: 'TooManyProviderTokenUpdates' }
        : { status: 200 };
    open();
    assert.deepEqual(kinds(await send(50)), new Set(['accepted accepted']));
    assert.equal(authorizations().size, 1);
    assert.equal(service.sessions.length, 2);
  });

  it('as one of too many everywhere makes all wait', async () => {
    service = await ApnsService.start();
    service.answer = () => ({ status: 429, reason: 'TooManyProviderTokenUpdates' });
    open();
    const outcomes = await send(50);
    assert.deepEqual(kinds(outcomes), new Set(['retry too_many_provider_token_updates']));
    const sent = service.received.length;
    await send(5);
    assert.equal(service.received.length, sent);
    assert.equal(authorizations().size, 1);
  });

  it('never meets another one on a connection within 20 minutes, on however many connections', async () => {
    service = await ApnsService.start({ settings: { maxConcurrentStreams: 5 } });
    let now = 1_700_000_400_000;
    const seen = new Map<unknown, { token: string | undefined; since: number }>();
    const early: string[] = [];
    let count = 0;
    service.answer = async ({ session, headers }) => {
      const last = seen.get(session);
      if (last?.token !== headers.authorization) {
        const minutes = last ? (now - last.since) / MINUTE : 20;
        if (minutes < 20) early.push(`another token after ${minutes} minutes`);
        seen.set(session, { token: headers.authorization, since: now });
      }
      count += 1;
      const isExpired = count % 97 === 0;
      // Long enough for the others to be under way on all connections.
      await new Promise((resolve) => setTimeout(resolve, 1));
      return isExpired ? { status: 403, reason: 'ExpiredProviderToken' } : { status: 200 };
    };
    open({ now: () => now, clock: () => now });
    for (let round = 0; round < 30; round++) {
      for (const { kind } of await send(40)) assert.ok(kind === 'accepted' || kind === 'retry');
      now += 7 * MINUTE;
    }
    assert.deepEqual(early, []);
    assert.ok(authorizations().size > 5);
    assert.ok(seen.size > 3, 'several connections');
  });
});
