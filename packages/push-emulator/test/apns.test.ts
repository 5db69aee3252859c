import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type ApnsKey, type PushEmulator, startPushEmulator } from '../src/index.ts';
import { type ApnsAnswer, type ApnsRequest, ApnsSender, providerToken } from './apns-support.ts';

const TOPIC = 'com.example.chat';
const MINUTE_MS = 60_000;

let clock: number;
let emulator: PushEmulator;
let key: ApnsKey;
let token: string;
let sender: ApnsSender;

beforeEach(async () => {
  clock = Date.now();
  emulator = await startPushEmulator({ now: () => clock });
  key = emulator.apnsKey({ bundleIds: [TOPIC] });
  token = emulator.apns.createToken({ topic: TOPIC });
  sender = await ApnsSender.connect(emulator);
});
afterEach(async () => {
  sender.close();
  await emulator.close();
});

/** With a provider token made now and a topic, unless the headers say otherwise. */
function send({
  headers,
  to = token,
  by = sender,
  ...request
}: ApnsRequest & { to?: string; by?: ApnsSender } = {}) {
  return by.send(to, {
    headers: { authorization: currentToken, 'apns-topic': TOPIC, ...headers },
    ...request,
  });
}
let currentToken: string;
beforeEach(() => {
  currentToken = providerToken(key, clock);
});

const outcome = ({ status, body }: ApnsAnswer) => (body ? `${status} ${body.reason}` : status);

/** Resolves when all that the service had to say before has come. */
async function settled(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  sender.session.ping(() => resolve());
  await promise;
}

suite('what APNs accepts', () => {
  test('a push: the answer repeats its id and has no body', async () => {
    const id = 'eabeae54-14a8-11e5-b60b-1697f925ec7b';
    const answer = await send({ headers: { 'apns-id': id }, body: '{"aps":{"alert":"Hi"}}' });
    assert.equal(outcome(answer), 200);
    assert.equal(answer.headers['apns-id'], id);
    const [record] = emulator.messages();
    assert.equal(record?.service, 'apns');
    assert.equal(record?.state, 'accepted');
    assert.equal(record?.target, token);
    assert.deepEqual(record?.payload, { aps: { alert: 'Hi' } });
  });

  test('one without an id: the answer has a new one, in upper case', async () => {
    assert.match(String((await send()).headers['apns-id']), /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
  });

  test('every push type with the topic that belongs to it', async () => {
    const types: [type: string, suffix: string][] = [
      ['alert', ''],
      ['voip', '.voip'],
      ['complication', '.complication'],
      ['fileprovider', '.pushkit.fileprovider'],
      ['location', '.location-query'],
      ['liveactivity', '.push-type.liveactivity'],
      ['widgets', '.push-type.widgets'],
      ['controls', '.push-type.controls'],
      ['pushtotalk', '.voip-ptt'],
    ];
    for (const [type, suffix] of types) {
      const headers = { 'apns-push-type': type, 'apns-topic': TOPIC + suffix };
      assert.equal(outcome(await send({ headers })), 200, type);
    }
    assert.equal(
      outcome(await send({ headers: { 'apns-push-type': 'background', 'apns-priority': '5' } })),
      200,
    );
  });

  test('tokens of any length, in upper case as well', async () => {
    const long = emulator.apns.createToken({ topic: TOPIC, bytes: 100 });
    assert.equal(outcome(await send({ to: long.toUpperCase() })), 200);
  });

  test('in the sandbox tokens of the sandbox alone, with another id for its console', async () => {
    const sandbox = emulator.apns.createToken({ topic: TOPIC, environment: 'development' });
    assert.equal(outcome(await send({ to: sandbox })), '400 BadDeviceToken');
    emulator.apns.environment = 'development';
    const answer = await send({ to: sandbox });
    assert.equal(outcome(answer), 200);
    assert.ok(answer.headers['apns-unique-id']);
    assert.equal(outcome(await send()), '400 BadDeviceToken');
  });

  test('an Apple host says itself which environment it is', async () => {
    emulator.apns.environment = 'development';
    const headers = { ':authority': 'api.push.apple.com' };
    assert.equal(outcome(await send({ headers })), 200);
    assert.equal(
      outcome(await send({ headers: { ':authority': 'api.sandbox.push.apple.com' } })),
      '400 BadDeviceToken',
    );
  });
});

suite('what APNs refuses', () => {
  const cases: [what: string, request: () => ApnsRequest & { to?: string }, outcome: string][] = [
    ['an id that is no UUID', () => ({ headers: { 'apns-id': '1' } }), '400 BadMessageId'],
    ['another method', () => ({ method: 'PUT' }), '405 MethodNotAllowed'],
    ['no topic', () => ({ headers: { 'apns-topic': undefined } }), '400 MissingTopic'],
    ['a topic with a blank', () => ({ headers: { 'apns-topic': 'a b' } }), '400 BadTopic'],
    [
      'a collapse ID of 65 bytes',
      () => ({ headers: { 'apns-collapse-id': 'x'.repeat(65) } }),
      '400 BadCollapseId',
    ],
    [
      'an expiration that is no number',
      () => ({ headers: { 'apns-expiration': 'soon' } }),
      '400 BadExpirationDate',
    ],
    ['an unknown priority', () => ({ headers: { 'apns-priority': '7' } }), '400 BadPriority'],
    ['an unknown push type', () => ({ headers: { 'apns-push-type': 'sms' } }), '400 InvalidPushType'],
    [
      'a background push at full priority',
      () => ({ headers: { 'apns-push-type': 'background' } }),
      '400 BadPriority',
    ],
    ['a topic of another push type', () => ({ headers: { 'apns-push-type': 'voip' } }), '400 BadTopic'],
    [
      'a header that comes twice',
      () => ({ headers: { 'apns-collapse-id': ['a', 'b'] } }),
      '400 DuplicateHeaders',
    ],
    ['another path', () => ({ path: '/4/device/x' }), '404 BadPath'],
    ['a path without a token', () => ({ path: '/3/device/' }), '400 MissingDeviceToken'],
    ['a token that is not hexadecimal', () => ({ to: 'xyz' }), '400 BadDeviceToken'],
    ['a token that nobody has', () => ({ to: 'ab'.repeat(32) }), '400 BadDeviceToken'],
    [
      "another app's token",
      () => ({ to: emulator.apns.createToken({ topic: 'com.example.other' }) }),
      '400 DeviceTokenNotForTopic',
    ],
    ['no provider token', () => ({ headers: { authorization: undefined } }), '403 MissingProviderToken'],
    ['one that is none', () => ({ headers: { authorization: 'bearer x' } }), '403 InvalidProviderToken'],
    [
      "another team's key under this key's name",
      () => ({
        headers: { authorization: providerToken({ ...emulator.apnsKey(), keyId: key.keyId }, clock) },
      }),
      '403 InvalidProviderToken',
    ],
    [
      'another team than the key is of',
      () => ({ headers: { authorization: providerToken(key, clock, { iss: 'OTHERTEAM0' }) } }),
      '403 InvalidProviderToken',
    ],
    [
      'an hour-old provider token',
      () => ({ headers: { authorization: providerToken(key, clock - 61 * MINUTE_MS) } }),
      '403 ExpiredProviderToken',
    ],
    [
      'a key of the other environment',
      () => {
        const other = emulator.apnsKey({ bundleIds: [TOPIC], environment: 'development' });
        return { headers: { authorization: providerToken(other, clock) } };
      },
      '403 BadEnvironmentKeyInToken',
    ],
    [
      'a topic that is not of the team',
      () => ({
        headers: { authorization: providerToken(emulator.apnsKey({ bundleIds: ['com.other'] }), clock) },
      }),
      '400 TopicDisallowed',
    ],
    ['no payload', () => ({ body: '' }), '400 PayloadEmpty'],
    ['4097 bytes', () => ({ body: 'x'.repeat(4097) }), '413 PayloadTooLarge'],
    ['20 000 bytes', () => ({ body: 'x'.repeat(20_000) }), '413 PayloadTooLarge'],
  ];
  for (const [what, request, expected] of cases) {
    test(`${what}: ${expected}`, async () => {
      const answer = await send(request());
      assert.equal(outcome(answer), expected);
      assert.ok(answer.headers['apns-id']);
      assert.equal(answer.body?.timestamp, undefined);
      const [record] = emulator.messages();
      assert.deepEqual([record?.state, record?.reason], ['refused', expected.slice(4)]);
    });
  }

  test('VoIP has 5120 bytes', async () => {
    const headers = { 'apns-push-type': 'voip', 'apns-topic': `${TOPIC}.voip` };
    assert.equal(outcome(await send({ headers, body: 'x'.repeat(5120) })), 200);
    assert.equal(outcome(await send({ headers, body: 'x'.repeat(5121) })), '413 PayloadTooLarge');
  });

  test('a token that is gone: 410 and since when', async () => {
    emulator.apns.unregister(token, 1508249865488);
    const answer = await send();
    assert.equal(answer.status, 410);
    assert.deepEqual(answer.body, { reason: 'Unregistered', timestamp: 1508249865488 });
  });
});

suite('the provider tokens of a connection', () => {
  test('one team has it: another is refused, and the first goes on', async () => {
    await send();
    const other = emulator.apnsKey({ bundleIds: [TOPIC] });
    const headers = { authorization: providerToken(other, clock) };
    assert.equal(outcome(await send({ headers })), '403 InvalidProviderToken');
    assert.equal(outcome(await send()), 200);
  });

  test('an update within 20 minutes spoils it until it closes; another connection is none the worse', async () => {
    await send();
    clock += 19 * MINUTE_MS;
    const second = { headers: { authorization: providerToken(key, clock) } };
    assert.equal(outcome(await send(second)), '429 TooManyProviderTokenUpdates');
    assert.equal(outcome(await send()), '429 TooManyProviderTokenUpdates');
    clock += 30 * MINUTE_MS;
    assert.equal(outcome(await send(second)), '429 TooManyProviderTokenUpdates');
    sender.close();
    sender = await ApnsSender.connect(emulator);
    assert.equal(outcome(await send(second)), 200);
  });

  test('an update after 20 minutes is fine', async () => {
    await send();
    clock += 20 * MINUTE_MS;
    assert.equal(outcome(await send({ headers: { authorization: providerToken(key, clock) } })), 200);
  });

  test('one that grows old wedges it, for new tokens, too', async () => {
    await send();
    clock += 61 * MINUTE_MS;
    assert.equal(outcome(await send()), '403 ExpiredProviderToken');
    const fresh = { headers: { authorization: providerToken(key, clock) } };
    assert.equal(outcome(await send(fresh)), '403 ExpiredProviderToken');
    sender.close();
    sender = await ApnsSender.connect(emulator);
    assert.equal(outcome(await send(fresh)), 200);
  });
});

suite('how many streams a connection may open', () => {
  test('one, until a provider token was good; one again after it was not', async () => {
    assert.equal(sender.maxStreams, 1);
    await send();
    await sender.untilMaxStreams(1000);
    await send({ headers: { authorization: 'bearer x' } });
    await sender.untilMaxStreams(1);
    await send();
    await sender.untilMaxStreams(1000);
  });

  test('a push that is refused for another reason changes nothing', async () => {
    await send({ to: 'ab'.repeat(32) });
    await send({ body: '' });
    await send();
    await sender.untilMaxStreams(1000);
    await send({ to: 'ab'.repeat(32) });
    await settled();
    assert.equal(sender.maxStreams, 1000);
  });

  test('a rejected token changes nothing either when told so', async () => {
    emulator.apns.limitsAfterRejection = false;
    await send();
    await sender.untilMaxStreams(1000);
    await send({ headers: { authorization: 'bearer x' } });
    await send();
    assert.equal(sender.maxStreams, 1000);
  });

  test('none for a while, when told so: a push waits, and goes out later', async () => {
    await send();
    await sender.untilMaxStreams(1000);
    emulator.apns.forceMaxStreams(0);
    await sender.untilMaxStreams(0);
    const later = send();
    await settled();
    assert.equal(emulator.messages().length, 1);
    emulator.apns.forceMaxStreams(undefined);
    assert.equal(outcome(await later), 200);
  });
});

suite('what goes wrong with a connection', () => {
  test('GOAWAY with a reason, as JSON, or without one', async () => {
    await send();
    const goaway = once(sender.session, 'goaway');
    emulator.apns.goAway('Shutdown');
    const [code, lastStream, data] = (await goaway) as [number, number, Buffer];
    assert.deepEqual([code, lastStream, String(data)], [0, 1, '{"reason":"Shutdown"}']);

    const other = await ApnsSender.connect(emulator);
    const bare = once(other.session, 'goaway');
    emulator.apns.goAway();
    const [, , none] = (await bare) as [number, number, Buffer | undefined];
    assert.equal(none?.length ?? 0, 0);
    other.close();
  });

  test('GOAWAY below a stream: it was not processed, those before it are answered', async () => {
    await send();
    await sender.untilMaxStreams(1000);
    emulator.faults.add({
      service: 'apns',
      kind: 'goaway',
      reason: '{"reason":"Shutdown"}',
      target: 'cd'.repeat(32),
    });
    const goaway = once(sender.session, 'goaway');
    const before = send();
    const lost = send({ to: 'cd'.repeat(32) });
    const unanswered = assert.rejects(lost);
    assert.equal(outcome(await before), 200);
    const [, lastStream, data] = (await goaway) as [number, number, Buffer];
    assert.deepEqual([lastStream, String(data)], [3, '{"reason":"Shutdown"}']);
    await unanswered;
  });

  test('REFUSED_STREAM for one push', async () => {
    emulator.faults.add({ service: 'apns', kind: 'reset', reason: 'REFUSED_STREAM' });
    await assert.rejects(send(), /REFUSED_STREAM/);
    assert.equal(outcome(await send()), 200);
  });

  test('silence on one stream while the others are answered', async () => {
    await send();
    await sender.untilMaxStreams(1000);
    emulator.faults.add({ service: 'apns', kind: 'silence' });
    const silent = assert.rejects(send());
    await emulator.waitFor(({ state }) => state === 'unanswered');
    assert.equal(outcome(await send()), 200);
    sender.close();
    await silent;
  });

  test('PINGs that nobody answers, though pushes are', async () => {
    emulator.apns.answerPings(false);
    let answered = 0;
    const { promise: pinged, resolve } = Promise.withResolvers<void>();
    const ping = () =>
      sender.session.ping(() => {
        answered += 1;
        resolve();
      });
    ping();
    assert.equal(outcome(await send()), 200);
    emulator.apns.answerPings(true);
    ping();
    await pinged;
    assert.equal(answered, 1);
  });

  test('a dead connection without a FIN: only a new one is answered', async () => {
    assert.equal(emulator.apns.connections, 1);
    emulator.apns.freeze();
    const lost = assert.rejects(send());
    const other = await ApnsSender.connect(emulator);
    assert.equal(outcome(await send({ by: other })), 200);
    assert.equal(sender.session.destroyed, false);
    other.close();
    sender.close();
    await lost;
  });

  test("any of Apple's reasons, with the push's own id", async () => {
    const id = 'eabeae54-14a8-11e5-b60b-1697f925ec7b';
    for (const [reason, status] of [
      ['TooManyRequests', 429],
      ['InternalServerError', 500],
      ['ServiceUnavailable', 503],
      ['ExpiredToken', 410],
      ['BadEnvironmentKeyIdInToken', 403],
    ] as const) {
      emulator.faults.add({ service: 'apns', kind: 'error', reason });
      const answer = await send({ headers: { 'apns-id': id } });
      assert.equal(outcome(answer), `${status} ${reason}`);
      assert.equal(answer.headers['apns-id'], id);
      assert.equal(typeof answer.body?.timestamp, status === 410 ? 'number' : 'undefined');
    }
    assert.throws(
      () => emulator.faults.add({ service: 'apns', kind: 'error', reason: 'NoSuch' }),
      /no such error/,
    );
  });

  test('a certificate of an unknown authority, once', async () => {
    emulator.faults.add({ service: 'apns', kind: 'tls' });
    await assert.rejects(ApnsSender.connect(emulator), /self-signed|unable to/);
    const other = await ApnsSender.connect(emulator);
    assert.equal(outcome(await send({ by: other })), 200);
    other.close();
  });
});

suite('a client certificate', () => {
  async function connectWith(options: Parameters<PushEmulator['apnsCertificate']>[0]): Promise<ApnsSender> {
    sender.close();
    const { p12, passphrase } = emulator.apnsCertificate(options);
    sender = await ApnsSender.connect(emulator, { pfx: p12, passphrase });
    return sender;
  }

  test('of one topic stands for it: no provider token, no topic, no limit of streams', async () => {
    await connectWith({ topics: [TOPIC], passphrase: 'päss' });
    await sender.untilMaxStreams(1000);
    const bare = { headers: { authorization: undefined, 'apns-topic': undefined } };
    assert.equal(outcome(await send(bare)), 200);
    assert.equal(outcome(await send({ headers: { authorization: 'bearer nonsense' } })), 200);
  });

  test('of several topics needs the topic, and allows no other', async () => {
    const voip = `${TOPIC}.voip`;
    await connectWith({ topics: [TOPIC, voip] });
    assert.equal(outcome(await send({ headers: { 'apns-topic': undefined } })), '400 MissingTopic');
    assert.equal(outcome(await send({ headers: { 'apns-topic': voip, 'apns-push-type': 'voip' } })), 200);
    const complication = { 'apns-topic': `${TOPIC}.complication`, 'apns-push-type': 'complication' };
    assert.equal(outcome(await send({ headers: complication })), '400 TopicDisallowed');
  });

  test('cannot ask for a location', async () => {
    await connectWith({ topics: [`${TOPIC}.location-query`] });
    const headers = { 'apns-topic': `${TOPIC}.location-query`, 'apns-push-type': 'location' };
    assert.equal(outcome(await send({ headers })), '400 InvalidPushType');
  });

  test('of the other environment is refused', async () => {
    await connectWith({ topics: [TOPIC], environment: 'development' });
    assert.equal(outcome(await send()), '403 BadCertificateEnvironment');
  });

  test('of another authority is refused, unless a provider token comes with it', async () => {
    const other = await startPushEmulator();
    const { key: pem, cert } = other.apnsCertificate({ topics: [TOPIC] });
    await other.close();
    sender.close();
    sender = await ApnsSender.connect(emulator, { key: pem, cert });
    assert.equal(outcome(await send({ headers: { authorization: undefined } })), '403 BadCertificate');
    assert.equal(outcome(await send()), 200);
  });
});
