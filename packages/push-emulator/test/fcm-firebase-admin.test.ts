import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type App, cert, deleteApp, initializeApp } from 'firebase-admin/app';
import { getMessaging, type Message, type Messaging } from 'firebase-admin/messaging';
import { createAddress } from '../src/fcm/phones.ts';
import { type PushEmulator, redirectVendors, startPushEmulator } from '../src/index.ts';

/** Google's own library, unchanged, with a key file of the emulator: what both agree on, neither made up. */

const PROJECT = 'my-project';

let emulator: PushEmulator;
let takeBack: () => void;
let app: App;
let messaging: Messaging;
let token: string;

beforeEach(async () => {
  emulator = await startPushEmulator();
  takeBack = redirectVendors(emulator);
  const account = JSON.parse(emulator.serviceAccount({ projectId: PROJECT }));
  app = initializeApp({ credential: cert(account) }, emulator.url);
  messaging = getMessaging(app);
  token = emulator.fcm.createToken({ projectId: PROJECT });
});
afterEach(async () => {
  takeBack();
  await deleteApp(app);
  await emulator.close();
});

const send = (message: Partial<Message> = {}) => messaging.send({ token, ...message } as Message);
const fails = (code: string, message: Partial<Message> = {}) =>
  assert.rejects(send(message), (error: { code: string }) => {
    assert.equal(error.code, `messaging/${code}`);
    return true;
  });

suite('firebase-admin', () => {
  test('signs in with the key file and sends: it gives the name of the message', async () => {
    const name = await send({
      notification: { title: 'Hi' },
      data: { room: '7' },
      android: {
        priority: 'high',
        ttl: 60_000,
        collapseKey: 'k',
        notification: { channelId: 'c', visibility: 'private' },
      },
      apns: { headers: { 'apns-priority': '10' }, payload: { aps: { alert: 'Hi', badge: 1 } } },
      webpush: { headers: { TTL: '60' }, fcmOptions: { link: 'https://chat.example/7' } },
      fcmOptions: { analyticsLabel: 'label' },
    });
    assert.match(name, /^projects\/my-project\/messages\/0:/);
    const [record] = emulator.messages();
    assert.equal(record?.state, 'accepted');
    assert.deepEqual((record?.payload as { android: unknown } | undefined)?.android, {
      priority: 'HIGH',
      ttl: '60s',
      collapse_key: 'k',
      notification: { channel_id: 'c', visibility: 'PRIVATE' },
    });
  });

  test('sends each of many over one HTTP/2 connection, and tells who was not reached', async () => {
    const gone = emulator.fcm.createToken({ projectId: PROJECT });
    emulator.fcm.unregister(gone);
    const tokens = [token, gone, emulator.fcm.createToken({ projectId: PROJECT })];
    const { successCount, failureCount, responses } = await messaging.sendEachForMulticast({
      tokens,
      data: { a: '1' },
    });
    assert.deepEqual([successCount, failureCount], [2, 1]);
    assert.equal(responses[1]?.error?.code, 'messaging/registration-token-not-registered');
  });

  test('sends to topics, conditions and as a trial', async () => {
    assert.match(
      await messaging.send({ topic: 'news', data: { a: '1' } }),
      /^projects\/my-project\/messages\/\d+$/,
    );
    await messaging.send({ condition: "'a' in topics || 'b' in topics", data: { a: '1' } });
    assert.equal(await messaging.send({ token }, true), 'projects/my-project/messages/fake_message_id');
  });

  test('binds tokens to topics', async () => {
    const answer = await messaging.subscribeToTopic([token, createAddress().token], 'news');
    assert.deepEqual([answer.successCount, answer.failureCount], [1, 1]);
    assert.equal(answer.errors[0]?.error.code, 'messaging/registration-token-not-registered');
    assert.equal((await messaging.subscribeToTopic(token, 'news')).successCount, 1);
    assert.equal((await messaging.unsubscribeFromTopic([token], 'news')).successCount, 1);
  });

  test('reads the refusals as Google documents them', async () => {
    await fails('registration-token-not-registered', { token: createAddress().token });
    await fails('invalid-argument', { token: 'malformed' });
    await fails('mismatched-credential', { token: emulator.fcm.createToken({ projectId: 'other-project' }) });
    await fails('invalid-argument', { data: { x: 'x'.repeat(4096) } });
    await fails('invalid-argument', { data: { 'google.x': '1' } });
  });

  test('reads the errors on request as Google documents them', async () => {
    for (const [reason, code] of [
      ['QUOTA_EXCEEDED', 'message-rate-exceeded'],
      ['THIRD_PARTY_AUTH_ERROR', 'third-party-auth-error'],
      ['SENDER_ID_MISMATCH', 'mismatched-credential'],
      ['INTERNAL', 'internal-error'],
      ['UNREGISTERED', 'registration-token-not-registered'],
      ['INVALID_REGISTRATION_TOKEN', 'invalid-argument'],
    ] as const) {
      emulator.faults.add({ service: 'fcm', kind: 'error', reason });
      await fails(code);
    }
  });

  test('loses what a GOAWAY says was not processed, and tells the reason', async () => {
    emulator.faults.add({ service: 'fcm', kind: 'goaway', reason: 'too_many_pings' });
    const { failureCount, responses } = await messaging.sendEach([{ token }]);
    assert.equal(failureCount, 1);
    assert.match(String(responses[0]?.error?.message), /too_many_pings|REFUSED_STREAM/);
    assert.deepEqual(
      emulator.messages().map(({ state }) => state),
      ['unanswered'],
    );
  });

  test('gets a new access token when the old one has come to its end', async () => {
    emulator.setAccessTokenLifetime(1);
    await send();
    await send();
    assert.deepEqual(
      emulator.messages().map(({ status }) => status),
      [200, 200],
    );
  });

  test('tries again after 503', async () => {
    emulator.faults.add({ service: 'fcm', kind: 'error', reason: 'UNAVAILABLE', retryAfter: 0 });
    await send();
    assert.deepEqual(
      emulator.messages().map(({ status }) => status),
      [503, 200],
    );
  });

  test('is told by the token endpoint why its key is no good', async () => {
    emulator.faults.add({ service: 'oauth', kind: 'error', reason: 'invalid_grant' });
    await assert.rejects(send(), /invalid_grant|Invalid JWT Signature/);
    assert.equal(emulator.messages().length, 0);
  });
});
