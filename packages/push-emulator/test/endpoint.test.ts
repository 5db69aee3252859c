import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import webPush from 'web-push';
import { type PushEmulator, startPushEmulator } from '../src/index.ts';
import { FakeFirefox, type SendOptions, send, vapid } from './support.ts';

const DAY_SECONDS = 24 * 60 * 60;

let emulator: PushEmulator;
let clock: number;
let firefox: FakeFirefox;
let endpoint: string;

beforeEach(async () => {
  clock = Date.now();
  emulator = await startPushEmulator({ now: () => clock });
  ({ firefox } = await FakeFirefox.hello(emulator));
  ({ endpoint } = await firefox.register(vapid.publicKey));
});
afterEach(() => emulator.close());

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

suite('what the endpoint refuses, in the words of the original', () => {
  const cases: [
    what: string,
    options: () => SendOptions,
    status: number,
    errno: number | null,
    message: RegExp,
  ][] = [
    ['no TTL', () => ({ change: { ttl: undefined } }), 400, 111, /^Missing TTL value$/],
    ['a TTL that is no number', () => ({ change: { ttl: 'soon' } }), 400, 111, /^Missing TTL value$/],
    ['a negative TTL', () => ({ change: { ttl: '-1' } }), 400, 114, /TTL/],
    ['a Topic of 33 characters', () => ({ change: { topic: 'x'.repeat(33) } }), 400, 113, /32/],
    ['a Topic with a dot', () => ({ change: { topic: 'room.1' } }), 400, 113, /Base64/],
    [
      'an unknown Urgency',
      () => ({ change: { urgency: 'extreme' } }),
      400,
      null,
      /very-low, low, normal, high/,
    ],
    [
      'a body without encoding',
      () => ({ change: { 'content-encoding': undefined } }),
      400,
      110,
      /^Missing Content-Enc/,
    ],
    [
      'an encoding of old',
      () => ({ change: { 'content-encoding': 'aesgcm' } }),
      400,
      110,
      /^Unknown Content-Enc/,
    ],
    ['more than 4096 bytes', () => ({ payload: 'x'.repeat(3994) }), 413, 104, /too large/],
    [
      'no Authorization',
      () => ({ change: { authorization: undefined } }),
      401,
      109,
      /^Missing VAPID public key$/,
    ],
    ['another scheme', () => ({ change: { authorization: 'Bearer x' } }), 401, 109, /^Unknown auth scheme$/],
    [
      'a VAPID header without key',
      () => ({ change: { authorization: 'vapid t=a.b.c' } }),
      401,
      109,
      /^Missing VAPID public/,
    ],
    [
      'a token that is none',
      () => ({ change: { authorization: `vapid t=a.b.c, k=${vapid.publicKey}` } }),
      401,
      109,
      /Token/,
    ],
    [
      'another audience',
      () => ({ change: authorization('https://example.com') }),
      401,
      109,
      /^Invalid VAPID audience$/,
    ],
    [
      'a token for more than a day',
      () => {
        // The `web-push` package makes none for more than a day from its own clock: ours is a minute behind.
        clock -= 60_000;
        const expiration = Math.floor(Date.now() / 1000) + DAY_SECONDS - 1;
        return { change: authorization(emulator.url, { expiration }) };
      },
      401,
      109,
      /^The VAPID token expiration is too long$/,
    ],
    [
      'the key of somebody else',
      () => ({ change: authorization(emulator.url, { keys: webPush.generateVAPIDKeys() }) }),
      401,
      109,
      /^VAPID public key mismatch$/,
    ],
    [
      'the right key under a token that another signed',
      () => {
        const { authorization: header } = authorization(emulator.url, { keys: webPush.generateVAPIDKeys() });
        return { change: { authorization: header!.replace(/k=.*/, `k=${vapid.publicKey}`) } };
      },
      401,
      109,
      /^InvalidSignature$/,
    ],
  ];

  for (const [what, options, status, errno, message] of cases) {
    test(`${what}: ${status}`, async () => {
      const response = await send(endpoint, options());
      const body = (await response.json()) as { code: number; errno: number | null; message: string };
      assert.deepEqual([response.status, body.code, body.errno], [status, status, errno]);
      assert.match(body.message, message);
      assert.deepEqual(await firefox.drain(), []);
      assert.partialDeepStrictEqual(emulator.messages(), [
        { state: 'refused', status, reason: body.message },
      ]);
    });
  }

  test('a token whose time is over: 401', async () => {
    const change = authorization(emulator.url);
    clock += 3600_000;
    const response = await send(endpoint, { change });
    assert.partialDeepStrictEqual(await response.json(), { code: 401, message: 'ExpiredSignature' });
  });

  test('an unknown endpoint: 404 with an empty body', async () => {
    const response = await send(`${emulator.url}/wpush/v2/unknown`);
    assert.deepEqual([response.status, await response.text()], [404, '']);
  });

  test('another method: 405', async () => {
    assert.equal((await fetch(endpoint)).status, 405);
  });
});

suite('what the endpoint takes', () => {
  test('4096 bytes exactly', async () => {
    assert.equal((await send(endpoint, { payload: 'x'.repeat(3993) })).status, 201);
    assert.equal(emulator.messages()[0]?.body.length, 4096);
  });

  test('a TTL of a year, and says that it keeps it for 30 days', async () => {
    const response = await send(endpoint, { TTL: 365 * DAY_SECONDS });
    assert.equal(response.headers.get('ttl'), String(30 * DAY_SECONDS));
  });

  test('a subscription that was made without a key takes any sender, by its own path', async () => {
    const open = await firefox.register();
    assert.match(open.endpoint, /\/wpush\/v1\//);
    assert.equal((await send(open.endpoint, { change: { authorization: undefined } })).status, 201);
    assert.equal((await send(open.endpoint)).status, 201);
    assert.equal((await send(open.endpoint.replace('/v1/', '/v2/'))).status, 404);
  });
});

suite('faults on request', () => {
  test('a status with Retry-After, for the next pushes, and then none', async () => {
    emulator.faults.add({ kind: 'status', status: 429, retryAfter: 7, times: 2 });
    const statuses = [];
    for (let n = 0; n < 3; n += 1) {
      const response = await send(endpoint);
      statuses.push([response.status, response.headers.get('retry-after')]);
    }
    assert.deepEqual(statuses, [
      [429, '7'],
      [429, '7'],
      [201, null],
    ]);
    assert.equal((await firefox.drain()).length, 1);
  });

  test('until cleared', async () => {
    emulator.faults.add({ kind: 'status', status: 503, times: null });
    for (let n = 0; n < 5; n += 1) assert.equal((await send(endpoint)).status, 503);
    emulator.faults.clear();
    assert.equal((await send(endpoint)).status, 201);
  });

  test('a reset cuts the connection', async () => {
    emulator.faults.add({ kind: 'reset' });
    await assert.rejects(send(endpoint), TypeError);
    assert.equal(emulator.messages()[0]?.state, 'unanswered');
    assert.deepEqual(await firefox.drain(), []);
  });

  test('silence gives no answer at all', async () => {
    emulator.faults.add({ kind: 'silence' });
    const answer = send(endpoint, { timeout: 300 });
    await emulator.waitFor(({ state }) => state === 'unanswered');
    await assert.rejects(answer, { name: 'TimeoutError' });
  });

  test('a delay answers late, but as usual', async () => {
    emulator.faults.add({ kind: 'delay', ms: 50 });
    const started = performance.now();
    assert.equal((await send(endpoint)).status, 201);
    assert.ok(performance.now() - started >= 45);
  });

  test('a failure after delivery rings and lies about it', async () => {
    emulator.faults.add({ kind: 'status', status: 503, after: 'delivery' });
    assert.equal((await send(endpoint)).status, 503);
    assert.equal((await firefox.drain()).length, 1);
    assert.partialDeepStrictEqual(emulator.messages(), [{ status: 503, state: 'sent' }]);
  });

  for (const [fault, words] of [
    [{ kind: 'explode' }, /fault\.kind is "explode": status, delay, reset, silence/],
    [{ kind: 'status', status: 200 }, /fault\.status is 200: 300 to 599/],
    [{ kind: 'delay', ms: -1 }, /fault\.ms is -1/],
    [{ kind: 'reset', times: 0 }, /fault\.times is 0/],
    [{ kind: 'status', status: 429, retryAfter: 'a\r\nb' }, /fault\.retryAfter/],
    [{ kind: 'reset', after: 'lunch' }, /fault\.after is "lunch"/],
    [null, /fault is null/],
  ] as const) {
    test(`${JSON.stringify(fault)} is refused with the reason`, () => {
      assert.throws(() => emulator.faults.add(fault as never), { name: 'TypeError', message: words });
    });
  }
});

suite('the remote control', () => {
  const json = { 'Content-Type': 'application/json' };
  const control = (method: string, path: string, body?: unknown, headers: Record<string, string> = json) =>
    fetch(`${emulator.url}/control/${path}`, {
      method,
      ...(body !== undefined && { headers, body: JSON.stringify(body) }),
    });

  test('shows pushes and subscriptions, and forgets the pushes', async () => {
    await send(endpoint, { topic: 'a' });
    const [message] = (await (await control('GET', 'messages')).json()) as { body: string }[];
    assert.partialDeepStrictEqual(message, { endpoint, status: 201, headers: { topic: 'a' } });
    assert.equal(message?.body, emulator.messages()[0]?.body.toString('base64url'));
    const [subscription] = (await (await control('GET', 'subscriptions')).json()) as object[];
    assert.partialDeepStrictEqual(subscription, { endpoint, isOnline: true });
    await control('DELETE', 'messages');
    assert.deepEqual(emulator.messages(), []);
  });

  test('sets and clears faults', async () => {
    assert.equal((await control('POST', 'faults', { kind: 'status', status: 500, times: null })).status, 200);
    assert.equal((await send(endpoint)).status, 500);
    assert.equal((await control('DELETE', 'faults')).status, 200);
    assert.equal((await send(endpoint)).status, 201);
  });

  test('a wrong fault gets the reason', async () => {
    const response = await control('POST', 'faults', { kind: 'status', status: 42 });
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), { error: 'fault.status is 42: 300 to 599 are allowed' });
  });

  test('what a page of another origin could send is refused', async () => {
    const plain = { 'Content-Type': 'text/plain' };
    assert.equal((await control('POST', 'faults', { kind: 'reset' }, plain)).status, 415);
    assert.equal((await control('POST', 'disconnect', {}, plain)).status, 415);
  });

  test('an unknown path gets 404', async () => {
    assert.equal((await control('GET', 'everything')).status, 404);
  });
});

test('waiting for a push that never comes says what there was', async () => {
  await send(endpoint);
  await assert.rejects(
    emulator.waitFor(() => false, { timeoutMs: 10 }),
    /no such push within 10 ms; there were: sent 201/,
  );
});
