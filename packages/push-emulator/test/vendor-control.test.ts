import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type ApnsKey, type HmsApp, type PushEmulator, startPushEmulator } from '../src/index.ts';
import { ApnsSender, providerToken } from './apns-support.ts';

let emulator: PushEmulator;
let sender: ApnsSender | undefined;

beforeEach(async () => {
  emulator = await startPushEmulator();
});
afterEach(async () => {
  sender?.close();
  sender = undefined;
  await emulator.close();
});

async function post<Body = Record<string, string>>(
  path: string,
  body: object,
  headers: object = {},
): Promise<{ status: number; body: Body }> {
  const response = await fetch(emulator.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Body };
}
const control = async <Body = Record<string, string>>(path: string, body: object = {}) => {
  const { status, body: answer } = await post<Body>(`/control/${path}`, body);
  assert.equal(status, 200, JSON.stringify(answer));
  return answer;
};

suite('by remote control', () => {
  test('FCM: a key file, a phone, its end', async () => {
    const file = await control('fcm/service-account', { projectId: 'my-project' });
    assert.equal(file.project_id, 'my-project');
    assert.equal(file.token_uri, `${emulator.url}/token`);
    const { token, fid } = await control('fcm/token', { projectId: 'my-project' });
    const headers = { authorization: `Bearer ${emulator.accessToken('my-project')}` };
    const send = (message: object) => post('/v1/projects/my-project/messages:send', { message }, headers);
    assert.equal((await send({ token })).status, 200);
    assert.equal((await send({ fid })).status, 200);
    await control('fcm/unregister', { token });
    assert.equal((await send({ token })).status, 404);
    await control('access-tokens/expire');
    assert.equal((await send({ token })).status, 401);
  });

  test('HMS: an app, a phone, its end, and at which status errors come', async () => {
    const { clientId, projectId } = await control<HmsApp>('hms/app');
    const { token } = await control('hms/token', { clientId, projectId });
    const { clientSecret } = await control<HmsApp>('hms/app', { projectId });
    assert.ok(clientSecret);
    await control('hms/unregister', { token });
    await control('hms/errors', { at200: false });
    const { status, body } = await post(`/v1/${clientId}/messages:send`, {});
    assert.deepEqual([status, body.code], [401, '80200001']);
  });

  test('APNs: a key, a phone, its end, and how connections fare', async () => {
    const key = await control<ApnsKey>('apns/key', { bundleIds: ['com.example.chat'] });
    const { token = '' } = await control('apns/token', {
      topic: 'com.example.chat',
      environment: 'development',
    });
    await control('apns/environment', { environment: 'development' });
    await control('apns/streams', { count: 7 });
    sender = await ApnsSender.connect(emulator);
    assert.equal(sender.maxStreams, 7);
    const headers = { authorization: providerToken(key, Date.now()), 'apns-topic': 'com.example.chat' };
    assert.equal((await sender.send(token, { headers })).status, 200);
    await control('apns/streams', { count: null });
    await control('apns/unregister', { token, timestamp: 1508249865488 });
    assert.deepEqual((await sender.send(token, { headers })).body, {
      reason: 'Unregistered',
      timestamp: 1508249865488,
    });
    const { p12 = '', cert } = await control('apns/certificate', {
      topics: ['com.example.chat'],
      passphrase: 'x',
    });
    assert.ok(Buffer.from(p12, 'base64').length > 500);
    assert.match(String(cert), /BEGIN CERTIFICATE/);
  });

  test('what is wrong is named', async () => {
    for (const [path, body, words] of [
      ['fcm/token', {}, /^projectId is undefined/],
      ['fcm/unregister', { token: 'x' }, /^no phone has the token x/],
      ['apns/key', { bundleIds: 'a' }, /^bundleIds is "a": a list/],
      [
        'apns/environment',
        { environment: 'sandbox' },
        /^environment is "sandbox": development or production/,
      ],
      ['apns/streams', { count: -1 }, /^count is -1: 0 to 100000/],
      ['hms/errors', { at200: 1 }, /^at200 is 1: true or false/],
    ] as const) {
      const { status, body: answer } = await post(`/control/${path}`, body);
      assert.equal(status, 400, path);
      assert.match(String(answer.error), words);
    }
    assert.equal((await post('/control/fcm/nothing', {})).status, 404);
  });
});
