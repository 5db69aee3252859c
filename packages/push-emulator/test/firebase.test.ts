import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type PushEmulator, startPushEmulator } from '../src/index.ts';
import { FakeChromium } from './fake-chromium.ts';
import { browserKeys, FakeFirefox, vapid } from './support.ts';

const PROJECT = 'demo-project';
const FID = 'cAbcdefghijklmnopqrst_';
const WEEK_MS = 7 * 24 * 3600_000;

let emulator: PushEmulator;
let clock: number;

beforeEach(async () => {
  clock = Date.now();
  emulator = await startPushEmulator({ now: () => clock });
});
afterEach(() => emulator.close());

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into field by field
type Json = Record<string, any>;

async function call(
  method: string,
  path: string,
  { body, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Json; headers: Headers }> {
  const response = await fetch(`${emulator.url}/v1/projects/${PROJECT}/${path}`, {
    method,
    headers: { 'x-goog-api-key': 'key', 'content-type': 'application/json', ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {}, headers: response.headers };
}

const install = (fid = FID) =>
  call('POST', 'installations', {
    body: { fid, authVersion: 'FIS_v2', appId: '1:2:web:3', sdkVersion: 'w:0.6.24' },
  });

async function installed() {
  const { body } = await install();
  return {
    headers: { 'x-goog-firebase-installations-auth': `FIS ${body.authToken.token}` },
    refresh: { authorization: `FIS_v2 ${body.refreshToken}` },
  };
}

const web = (endpoint: string) => ({
  origin: 'localhost',
  endpoint,
  ...browserKeys,
  applicationPubKey: vapid.publicKey,
});

suite('installations', () => {
  test('one is made with the id that the app brings, and a token for a week', async () => {
    const { status, body } = await install();
    assert.equal(status, 200);
    assert.partialDeepStrictEqual(body, {
      name: `projects/${PROJECT}/installations/${FID}`,
      fid: FID,
      authToken: { expiresIn: '604800s' },
    });
  });

  test('an id that is none is replaced', async () => {
    const { body } = await install('nonsense');
    assert.match(body.fid, /^[cdef][\w-]{21}$/);
  });

  test('the token is refreshed with the refresh token, and with no other', async () => {
    const { refresh } = await installed();
    const path = `installations/${FID}/authTokens:generate`;
    const fresh = await call('POST', path, { headers: refresh, body: {} });
    assert.equal(fresh.status, 200);
    assert.equal(fresh.body.expiresIn, '604800s');
    const wrong = await call('POST', path, { headers: { authorization: 'FIS_v2 x' }, body: {} });
    assert.partialDeepStrictEqual(wrong.body, { error: { code: 401, status: 'UNAUTHENTICATED' } });
    const unknown = await call('POST', path.replace(FID, 'dAbcdefghijklmnopqrst_'), { headers: refresh });
    assert.equal(unknown.status, 404);
  });

  test('a request without an API key, or a body that says nothing, is refused with the reason', async () => {
    const keyless = await call('POST', 'installations', { headers: { 'x-goog-api-key': '' } });
    assert.partialDeepStrictEqual(keyless.body, { error: { code: 403, status: 'PERMISSION_DENIED' } });
    const empty = await call('POST', 'installations', { body: {} });
    assert.match(empty.body.error.message, /^authVersion is undefined: "FIS_v2" is expected$/);
  });
});

suite('registrations', () => {
  test('a token is made, renewed and deleted, each with the token of an installation', async () => {
    const { headers } = await installed();
    const { status, body } = await call('POST', 'registrations', {
      headers,
      body: { web: web('https://a.example/x') },
    });
    assert.equal(status, 200);
    assert.match(body.token, new RegExp(`^${FID}:APA91b`));
    const path = `registrations/${body.token}`;
    const renewed = await call('PATCH', path, { headers, body: { web: web('https://a.example/y') } });
    assert.equal(renewed.body.token, body.token);
    assert.deepEqual((await call('DELETE', path, { headers })).body, {});
    assert.equal((await call('DELETE', path, { headers })).status, 404);
    assert.equal(
      (await call('PATCH', path, { headers, body: { web: web('https://a.example/y') } })).status,
      404,
    );
  });

  test('a token that is none, or a week old, is refused', async () => {
    const body = { web: web('https://a.example/x') };
    const strange = { 'x-goog-firebase-installations-auth': 'FIS x' };
    assert.equal((await call('POST', 'registrations', { headers: strange, body })).status, 401);
    const { headers } = await installed();
    clock += WEEK_MS;
    assert.equal((await call('POST', 'registrations', { headers, body })).status, 401);
  });

  for (const [field, value] of [
    ['endpoint', 'nowhere'],
    ['p256dh', 'AAAA'],
    ['auth', 'AAAA'],
    ['applicationPubKey', 'AAAA'],
  ]) {
    test(`a wrong ${field} is named`, async () => {
      const { headers } = await installed();
      const body = { web: { ...web('https://a.example/x'), [field!]: value } };
      const answer = await call('POST', 'registrations', { headers, body });
      assert.equal(answer.status, 400);
      assert.match(answer.body.error.message, new RegExp(`^web\\.${field}`));
    });
  }

  test('pages of any origin may ask: preflights are granted, answers readable', async () => {
    const preflight = await fetch(`${emulator.url}/v1/projects/${PROJECT}/registrations/some:token`, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:9000',
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': 'content-type,x-goog-api-key,x-goog-firebase-installations-auth',
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    assert.match(preflight.headers.get('access-control-allow-methods')!, /PATCH, DELETE/);
    assert.match(
      preflight.headers.get('access-control-allow-headers')!,
      /x-goog-firebase-installations-auth/,
    );
    assert.equal((await install()).headers.get('access-control-allow-origin'), '*');
  });

  test('a fault meets the request, not its preflight, and pages can read it', async () => {
    emulator.faults.add({ service: 'firebase', kind: 'error', reason: 'UNAVAILABLE' });
    await fetch(`${emulator.url}/v1/projects/${PROJECT}/installations`, { method: 'OPTIONS' });
    const { status, headers, body } = await install();
    assert.deepEqual([status, headers.get('access-control-allow-origin')], [503, '*']);
    assert.equal(body.error.status, 'UNAVAILABLE');
    assert.equal((await install()).status, 200);
  });
});

suite('FCM to a web token', () => {
  async function sendFcm(message: object): Promise<{ status: number; body: Json }> {
    const response = await fetch(`${emulator.url}/v1/projects/${PROJECT}/messages:send`, {
      method: 'POST',
      headers: { authorization: `Bearer ${emulator.accessToken(PROJECT)}` },
      body: JSON.stringify({ message }),
    });
    return { status: response.status, body: (await response.json()) as Json };
  }
  const registered = async (endpoint: string, more: object = {}) => {
    const { headers } = await installed();
    const { body } = await call('POST', 'registrations', { headers, body: { web: web(endpoint), ...more } });
    return { headers, body };
  };

  beforeEach(() => {
    emulator.serviceAccount({ projectId: PROJECT });
  });

  test('becomes a web push to Chromium, with the send as its cause', async () => {
    const chromium = await FakeChromium.checkIn(emulator);
    const { token: pushToken } = await chromium.subscribe(vapid.publicKey);
    await chromium.logIn();
    // The host is whatever the browser said; it is the token that counts.
    const { body } = await registered(`https://jmt17.google.com/fcm/send/${pushToken}`);
    const sent = await sendFcm({ token: body.token, notification: { title: 'Hello' }, data: { room: '7' } });
    assert.equal(sent.status, 200);
    const message = await chromium.nextData();
    const record = emulator.messages().find(({ id }) => id === message.persistentId);
    const [cause] = emulator.messages();
    assert.equal(cause?.service, 'fcm');
    assert.equal(record?.cause, cause?.id);
    assert.equal(record?.service, 'chromium');
    assert.partialDeepStrictEqual(record?.payload, { notification: { title: 'Hello' }, data: { room: '7' } });
  });

  test('becomes a web push to Firefox just so', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    const { body } = await registered(endpoint);
    await sendFcm({ token: body.token, data: { a: 'b' } });
    assert.equal((await firefox.next()).messageType, 'notification');
  });

  test('by FID, where the app registered its installation instead', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint } = await firefox.register(vapid.publicKey);
    const { body } = await registered(endpoint, { fcm_sdk_version: '0.13.2' });
    assert.deepEqual(body, { name: `projects/${PROJECT}/registrations/${FID}` });
    assert.equal((await sendFcm({ fid: FID, data: { a: 'b' } })).status, 200);
    assert.equal((await firefox.next()).messageType, 'notification');
  });

  test('is UNREGISTERED after the token was deleted, and with its installation', async () => {
    const { headers, body } = await registered('https://a.example/x');
    await call('DELETE', `registrations/${body.token}`, { headers });
    const gone = await sendFcm({ token: body.token, data: { a: 'b' } });
    assert.deepEqual([gone.status, gone.body.error.details[0].errorCode], [404, 'UNREGISTERED']);

    const { refresh, headers: others } = await installed();
    const other = await call('POST', 'registrations', {
      headers: others,
      body: { web: web('https://a.example/x') },
    });
    await call('DELETE', `installations/${FID}`, { headers: refresh });
    assert.equal((await sendFcm({ token: other.body.token, data: { a: 'b' } })).status, 404);
  });

  test('is UNREGISTERED from the second send on when the subscription has ended', async () => {
    const { firefox } = await FakeFirefox.hello(emulator);
    const { endpoint, channelID } = await firefox.register(vapid.publicKey);
    const { body } = await registered(endpoint);
    await firefox.ask({ messageType: 'unregister', channelID, code: 200 });
    assert.equal((await sendFcm({ token: body.token, data: { a: 'b' } })).status, 200);
    assert.equal((await sendFcm({ token: body.token, data: { a: 'b' } })).status, 404);
  });
});
