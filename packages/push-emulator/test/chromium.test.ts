import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, suite, test } from 'node:test';
import webPush from 'web-push';
import { encodeFrame, FrameReader } from '../src/chromium/frames.ts';
import { encodeMessage } from '../src/chromium/messages.ts';
import { type PushEmulator, startPushEmulator } from '../src/index.ts';
import { checkIn, FakeChromium, fixed64, readData, TAGS } from './fake-chromium.ts';
import { type SendOptions, send, vapid } from './support.ts';

let emulator: PushEmulator;
let clock: number;

beforeEach(async () => {
  clock = Date.now();
  emulator = await startPushEmulator({ now: () => clock });
});
afterEach(() => emulator.close());

/** Checked in, subscribed and logged in; `endpoint` is the emulator's own address for it. */
async function ready() {
  const chromium = await FakeChromium.checkIn(emulator);
  const subscription = await chromium.subscribe(vapid.publicKey);
  await chromium.logIn();
  return { chromium, ...subscription, endpoint: `${emulator.url}/fcm/send/${subscription.token}` };
}

suite('bytes', () => {
  test('a check-in answer has its ids as fixed64', () => {
    const message = { statsOk: true, timeMs: 1000, androidId: 0x0102, securityToken: 0x0304 };
    assert.equal(
      encodeMessage('CheckinResponse', message).toString('hex'),
      '080118e80739020100000000000041' + '0403000000000000',
    );
  });

  test('a heartbeat answer is tag 1, length 2, field 2', () => {
    assert.equal(encodeFrame('pong', { lastStreamIdReceived: 5 }).toString('hex'), '01021005');
  });

  test('a data message has tag 8, a varint length and the fields of the protocol', () => {
    const frame = encodeFrame('data', {
      from: 'F',
      category: 'C',
      appData: [{ key: 'k', value: 'v' }],
      persistentId: 'P',
      ttl: 60,
      sent: 1,
      rawData: Buffer.from([0xff]),
      immediateAck: true,
    });
    const fields =
      '1a0146' + '2a0143' + '3a060a016b120176' + '4a0150' + '88013c' + '900101' + 'aa0101ff' + 'c00101';
    const length = (fields.length / 2).toString(16).padStart(2, '0');
    assert.equal(frame.toString('hex'), `08${length}${fields}`);
  });

  test('frames are found however the bytes are cut, and long ones have long lengths', () => {
    const rawData = Buffer.alloc(3000, 7);
    const frame = encodeFrame('data', {
      from: 'F',
      category: 'C',
      appData: [],
      persistentId: 'P',
      ttl: 0,
      sent: 1,
      rawData,
      immediateAck: true,
    });
    const bytes = Buffer.concat([
      Buffer.of(0x29),
      frame,
      Buffer.from('0000', 'hex'),
      Buffer.from('0a00', 'hex'),
    ]);
    for (const step of [1, 2, 7, 1000, 100_000]) {
      const reader = new FrameReader();
      const kinds: string[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        kinds.push(...reader.read(bytes.subarray(at, at + step)).map(({ kind }) => kind));
      }
      assert.deepEqual(kinds, ['data', 'ping', 'unknown'], `in steps of ${step}`);
    }
  });

  test('another version, a frame without end and an endless length are refused', () => {
    assert.throws(() => new FrameReader().read(Buffer.of(0x28)), /version 40/);
    assert.throws(() => new FrameReader().read(Buffer.from('2908ffffff7f', 'hex')), /too long/);
    assert.throws(() => new FrameReader().read(Buffer.from('2908ffffffffffff', 'hex')), /does not end/);
  });
});

suite('check-in and registration', () => {
  test('a new browser gets two numbers, and keeps them when it checks in again', async () => {
    const first = await checkIn(emulator, 0n, 0n);
    const id = fixed64(first, 7);
    const token = fixed64(first, 8);
    assert.ok(id > 0n && id < 2n ** 63n && token > 0n && token < 2n ** 63n);
    const again = await checkIn(emulator, id, token);
    assert.deepEqual([fixed64(again, 7), fixed64(again, 8)], [id, token]);
    const other = await checkIn(emulator, 0n, 0n);
    assert.notEqual(fixed64(other, 7), id);
  });

  test('what is no check-in is refused', async () => {
    const response = await fetch(`${emulator.url}/checkin`, {
      method: 'POST',
      body: Buffer.from('ff', 'hex'),
    });
    assert.equal(response.status, 400);
  });

  test("the browser's own registration gets some token", async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const form = {
      app: 'com.google.android.gms',
      device: String(chromium.androidId),
      sender: '745476177629',
    };
    assert.match(await chromium.post(form), /^token=\S+$/);
    assert.deepEqual(emulator.subscriptions(), []);
  });

  test('a page gets a token; the same subscription again, the same one', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const { token, subtype, form } = await chromium.subscribe(vapid.publicKey);
    assert.equal(await chromium.post(form), `token=${token}`);
    assert.partialDeepStrictEqual(emulator.subscriptions(), [
      { service: 'chromium', channelId: subtype, key: vapid.publicKey, isOnline: false },
    ]);
    const other = await chromium.subscribe(vapid.publicKey);
    assert.notEqual(other.token, token);
  });

  test('who names no device, a wrong security token and a sender that is no key are told so', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const { form } = await chromium.subscribe(vapid.publicKey);
    assert.equal(await chromium.post(form, 'AidLogin me:6'), 'Error=AUTHENTICATION_FAILED');
    const wrong = `AidLogin ${chromium.androidId}:1`;
    assert.equal(await chromium.post(form, wrong), 'Error=AUTHENTICATION_FAILED');
    assert.equal(await chromium.post({ ...form, sender: 'me' }), 'Error=INVALID_SENDER');
  });

  test('errors on request: the next registration alone', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    emulator.faults.add({
      service: 'chromium',
      target: '/register',
      kind: 'error',
      reason: 'QUOTA_EXCEEDED',
    });
    assert.equal((await chromium.subscribe(vapid.publicKey)).token, 'Error=QUOTA_EXCEEDED');
    assert.doesNotMatch((await chromium.subscribe(vapid.publicKey)).token, /Error/);
  });
});

suite('the message socket', () => {
  test('answers a login with its version byte and frame 1', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const { tag, fields } = await chromium.logIn();
    assert.equal(chromium.firstByte, 0x29);
    assert.equal(tag, TAGS.loginResponse);
    assert.deepEqual([fields.get(5), fields.get(6), fields.get(8)], [[1n], [1n], [BigInt(clock)]]);
    assert.equal(fields.get(3), undefined);
  });

  test('refuses a login with another security token, and ends', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const { fields } = await chromium.logIn({ securityToken: 1n });
    assert.ok(fields.has(3));
    await once(chromium.socket!, 'close');
  });

  test('a refused login leaves the browser that is there alone', async () => {
    const { chromium, endpoint } = await ready();
    const thief = new FakeChromium(emulator, chromium.androidId, 0n);
    await thief.logIn();
    await once(thief.socket!, 'close');
    await send(endpoint);
    assert.equal((await chromium.nextData()).persistentId, emulator.messages()[0]?.id);
  });

  test('counts the frames of the browser in its answer to a ping', async () => {
    const { chromium } = await ready();
    chromium.send(TAGS.ping, []);
    const { tag, fields } = await chromium.next();
    assert.deepEqual([tag, fields.get(2)], [TAGS.pong, [2n]]);
  });

  test('hands a push on unchanged, and takes the acknowledgement', async () => {
    const { chromium, endpoint, subtype } = await ready();
    assert.equal((await send(endpoint, { TTL: 77 })).status, 201);
    const message = await chromium.nextData();
    const [record] = emulator.messages();
    assert.deepEqual(message, {
      from: vapid.publicKey,
      category: 'org.chromium.linux',
      appData: { subtype, 'content-encoding': 'aes128gcm' },
      persistentId: record!.id,
      rawData: record!.body,
      ttl: 77,
      immediateAck: true,
    });
    assert.equal(record?.state, 'sent');
    chromium.acknowledge();
    await emulator.waitFor(({ state }) => state === 'acknowledged');
  });

  test('a push without a body has neither data nor encoding', async () => {
    const { chromium, endpoint, subtype } = await ready();
    assert.equal((await send(endpoint, { payload: null })).status, 201);
    const { rawData, appData } = await chromium.nextData();
    assert.deepEqual([rawData, appData], [undefined, { subtype }]);
  });

  test('an acknowledgement counts for all frames up to its number, and for no more', async () => {
    const { chromium, endpoint } = await ready();
    for (const payload of ['a', 'b', 'c']) await send(endpoint, { payload });
    for (let n = 0; n < 3; n += 1) await chromium.nextData();
    chromium.acknowledge(3);
    await chromium.drain();
    assert.deepEqual(
      emulator.messages().map(({ state }) => state),
      ['acknowledged', 'acknowledged', 'sent'],
    );
    // A heartbeat says it, too.
    chromium.send(TAGS.ping, [[2, 4n]]);
    await emulator.waitFor(({ id, state }) => id === emulator.messages()[2]!.id && state === 'acknowledged');
  });

  test('keeps what comes while the browser is away, and sends again only what was not acknowledged', async () => {
    const { chromium, endpoint } = await ready();
    await send(endpoint, { payload: 'seen' });
    await send(endpoint, { payload: 'unseen' });
    const seen = await chromium.nextData();
    const unseen = await chromium.nextData();
    chromium.acknowledge(2);
    await chromium.drain();
    await chromium.leave();
    await emulator.waitFor(({ id, state }) => id === unseen.persistentId && state === 'waiting');
    await send(endpoint, { payload: 'meanwhile' });
    await chromium.logIn();
    const again = (await chromium.drain()).map((frame) => readData(frame).persistentId);
    assert.deepEqual(again, [unseen.persistentId, emulator.messages()[2]!.id]);
    assert.ok(!again.includes(seen.persistentId));
  });

  test('what the browser names at login it has', async () => {
    const { chromium, endpoint } = await ready();
    await send(endpoint);
    const { persistentId } = await chromium.nextData();
    await chromium.leave();
    await chromium.logIn({ persistentIds: [persistentId] });
    assert.deepEqual(await chromium.drain(), []);
    assert.equal(emulator.messages()[0]?.state, 'acknowledged');
  });

  test('the latest login wins; the earlier socket is cut', async () => {
    const { chromium, endpoint } = await ready();
    const later = new FakeChromium(emulator, chromium.androidId, chromium.securityToken);
    const cut = once(chromium.socket!, 'close');
    await later.logIn();
    await cut;
    await send(endpoint);
    assert.equal((await later.nextData()).persistentId, emulator.messages()[0]?.id);
  });

  test('TTL 0 is now or never; a longer one ends, too; a Topic replaces', async () => {
    const { chromium, endpoint } = await ready();
    await send(endpoint, { TTL: 0 });
    await chromium.nextData();
    await chromium.leave();
    // It was on its way when the socket closed, and is not kept.
    await emulator.waitFor(({ state }) => state === 'expired');
    assert.equal((await send(endpoint, { TTL: 0 })).status, 201);
    await send(endpoint, { TTL: 10, payload: 'short' });
    await send(endpoint, { TTL: 100, topic: 'room', payload: 'old' });
    await send(endpoint, { TTL: 100, topic: 'room', payload: 'new' });
    clock += 11_000;
    await chromium.logIn();
    assert.equal((await chromium.drain()).length, 1);
    assert.deepEqual(
      emulator.messages().map(({ state }) => state),
      ['expired', 'expired', 'expired', 'replaced', 'sent'],
    );
  });

  test('a browser whose service lost its data may come back, without its subscriptions', async () => {
    const { chromium, endpoint, form } = await ready();
    emulator.loseSubscriptions();
    await once(chromium.socket!, 'close');
    assert.equal((await send(endpoint)).status, 410);
    assert.ok(!(await chromium.logIn()).fields.has(3));
    await chromium.unsubscribe(form);
    const { token } = await chromium.subscribe(vapid.publicKey);
    assert.equal((await send(`${emulator.url}/fcm/send/${token}`)).status, 201);
    await chromium.nextData();
  });

  test('so may one that checked in before the service was started anew', async () => {
    const stranger = new FakeChromium(emulator, 2n ** 62n, 77n);
    assert.ok(!(await stranger.logIn()).fields.has(3));
    const { token } = await stranger.subscribe(vapid.publicKey);
    assert.equal((await send(`${emulator.url}/fcm/send/${token}`)).status, 201);
    await stranger.nextData();
    const thief = new FakeChromium(emulator, 2n ** 62n, 78n);
    assert.ok((await thief.logIn()).fields.has(3));
  });
});

suite("what the endpoint refuses, in Google's words", () => {
  const tooFar = () => {
    clock -= 60_000;
    return authorization(emulator.url, { expiration: Math.floor(Date.now() / 1000) + 24 * 3600 - 1 });
  };
  const cases: [what: string, options: () => SendOptions, status: number, text: RegExp, length?: number][] = [
    [
      'no Authorization',
      () => ({ change: { authorization: undefined } }),
      401,
      /^authorization header must be specified\.\n$/,
    ],
    [
      'the key of somebody else',
      () => ({ change: authorization(emulator.url, { keys: webPush.generateVAPIDKeys() }) }),
      403,
      /^the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions\.\n$/,
      121,
    ],
    [
      'a token that is none',
      () => ({ change: { authorization: `vapid t=a.b.c, k=${vapid.publicKey}` } }),
      403,
      /^invalid JWT provided\n$/,
    ],
    [
      'another audience',
      () => ({ change: authorization('https://example.com') }),
      403,
      /^invalid JWT provided\n$/,
    ],
    [
      'a token for more than a day',
      () => ({ change: tooFar() }),
      403,
      /^exp claim MUST NOT be more than 24 hours from the time of the request\n$/,
    ],
    ['no TTL', () => ({ change: { ttl: undefined } }), 400, /^InvalidTtlParameter\n$/],
    ['a TTL that is no number', () => ({ change: { ttl: 'soon' } }), 400, /^InvalidTtlParameter\n$/],
    ['more than 4096 bytes', () => ({ payload: 'x'.repeat(3994) }), 413, /4096 bytes\.\n$/],
    ['a Topic with a dot', () => ({ change: { topic: 'room.1' } }), 400, /Topic/],
  ];
  for (const [what, options, status, text, length] of cases) {
    test(`${what}: ${status}`, async () => {
      const { endpoint, chromium } = await ready();
      const response = await send(endpoint, options());
      const body = await response.text();
      assert.equal(response.status, status);
      assert.match(body, text);
      if (length !== undefined) assert.equal(body.length, length);
      assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
      assert.deepEqual(await chromium.drain(), []);
      assert.partialDeepStrictEqual(emulator.messages(), [
        { state: 'refused', service: 'chromium', status, reason: body.trimEnd() },
      ]);
    });
  }

  test('an unknown endpoint: 404, with the fixed example', async () => {
    const response = await send(`${emulator.url}/fcm/send/unknown`);
    assert.equal(response.status, 404);
    assert.match(await response.text(), /wp\/dHIoDxE7Hdg:APA91bH1Zj0kNa\.\.\.\n$/);
  });

  test('after unsubscribing: 410, in 47 bytes', async () => {
    const { chromium, endpoint, form } = await ready();
    assert.match(await chromium.unsubscribe(form), /^token=/);
    const response = await send(endpoint);
    const body = await response.text();
    assert.deepEqual([response.status, body.length], [410, 47]);
  });

  test('a subscription made with a numeric sender takes no VAPID: 400', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const { token } = await chromium.subscribe('1234567890');
    const response = await send(`${emulator.url}/fcm/send/${token}`);
    assert.deepEqual([response.status, await response.text()], [400, 'UnauthorizedRegistration\n']);
  });

  test('an error on request has plain text, too, and Retry-After only when it is asked for', async () => {
    const { endpoint } = await ready();
    emulator.faults.add({ service: 'chromium', kind: 'status', status: 429 });
    const response = await send(endpoint);
    assert.deepEqual(
      [response.status, response.headers.get('retry-after'), response.headers.get('content-type')],
      [429, null, 'text/plain; charset=utf-8'],
    );
  });
});

suite('what the endpoint takes', () => {
  test('either path, a TTL cut to four weeks, and names a resource', async () => {
    const { endpoint, token } = await ready();
    const response = await send(endpoint, { TTL: 365 * 86_400 });
    assert.equal(response.headers.get('ttl'), '2419200');
    assert.ok(response.headers.get('location')?.startsWith(`${emulator.url}/`));
    assert.equal((await send(`${emulator.url}/wp/${token}`)).status, 201);
  });

  test('a token for the host of Google that the browser named, at the address of the emulator', async () => {
    const { endpoint } = await ready();
    assert.equal((await send(endpoint, { change: authorization('https://jmt17.google.com') })).status, 201);
  });
});

/** A VAPID header for any claims. */
function authorization(
  audience: string,
  { expiration = Math.floor(Date.now() / 1000) + 3600, keys = vapid } = {},
): Record<string, string> {
  const { Authorization } = webPush.getVapidHeaders(
    audience,
    'mailto:ops@example.com',
    keys.publicKey,
    keys.privateKey,
    'aes128gcm',
    expiration,
  );
  return { authorization: Authorization };
}
