/**
 * Carillon's senders and the vendors' own libraries before the same emulator: for each fault both must understand the same, so that
 * neither the emulator nor the sender can make it up.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import apn from '@parse/node-apn';
import { type App, cert, deleteApp, initializeApp } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import { emulatorAgent, type PushEmulator, redirectVendors, startPushEmulator } from 'push-emulator';
import webPush from 'web-push';
import { inShort, Sender } from './support/senders.ts';

const PROJECT = 'my-project';
const TOPIC = 'com.example.chat';

let emulator: PushEmulator;
let takeBack: () => void;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  emulator = await startPushEmulator();
  takeBack = redirectVendors(emulator);
});
afterEach(async () => {
  for (const closer of closers.splice(0).reverse()) await closer();
  takeBack();
  await emulator.close();
});

function startSender(...parameters: ConstructorParameters<typeof Sender>): Sender {
  const sender = new Sender(...parameters);
  closers.push(() => sender.close());
  return sender;
}

suite('FCM', () => {
  const message = { message: { notification: { title: 'Hi' } } };
  let messaging: Messaging;
  let token: string;
  const sender = () =>
    startSender('fcm', { fcm: { endpoint: emulator.httpsUrl, credentials_json: account() } });
  const account = () => emulator.serviceAccount({ projectId: PROJECT });

  beforeEach(() => {
    const app: App = initializeApp({ credential: cert(JSON.parse(account())) }, emulator.url);
    closers.push(() => deleteApp(app));
    messaging = getMessaging(app);
    token = emulator.fcm.createToken({ projectId: PROJECT });
  });

  // A shut gate would answer for the next fault: each has a sender of its own.
  for (const [reason, ours, theirs] of [
    ['UNREGISTERED', 'gone unregistered', 'registration-token-not-registered'],
    ['TYPE_STRING', 'failed invalid_argument', 'invalid-argument'],
    ['PAYLOAD_TOO_LARGE', 'failed invalid_argument', 'invalid-argument'],
    ['QUOTA_EXCEEDED', 'retry quota_exceeded held', 'message-rate-exceeded'],
    ['THIRD_PARTY_AUTH_ERROR', 'retry third_party_auth_error held', 'third-party-auth-error'],
    ['THIRD_PARTY_AUTH_ERROR_GENERIC', 'retry third_party_auth_error held', 'third-party-auth-error'],
    ['INTERNAL', 'retry internal_error', 'internal-error'],
  ] as const) {
    test(`${reason} is "${ours}" here and ${theirs} to firebase-admin`, async () => {
      emulator.faults.add({ service: 'fcm', kind: 'error', reason, times: 2 });
      const [outcome] = await sender().send([token], message);
      assert.equal(inShort(outcome!), ours);
      await assert.rejects(messaging.send({ token, ...message.message }), { code: `messaging/${theirs}` });
    });
  }

  test('a token of another project, beside good ones, is gone here and mismatched-credential there', async () => {
    const foreign = emulator.fcm.createToken({ projectId: 'other-project' });
    const outcomes = await sender().send([token, foreign], message);
    assert.deepEqual(outcomes.map(inShort), ['accepted accepted', 'gone sender_id_mismatch']);
    await assert.rejects(messaging.send({ token: foreign, ...message.message }), {
      code: 'messaging/mismatched-credential',
    });
  });

  test('nothing but foreign tokens looks like the wrong key: no device is given up', async () => {
    const foreign = Array.from({ length: 5 }, () => emulator.fcm.createToken({ projectId: 'other-project' }));
    const outcomes = await sender().send(foreign, message);
    assert.deepEqual(new Set(outcomes.map(inShort)), new Set(['failed sender_id_mismatch']));
  });

  test('access tokens that end early are replaced by one refresh, and every push is accepted once', async () => {
    const own = sender();
    await own.send([token], message);
    emulator.expireAccessTokens();
    emulator.forgetMessages();
    const tokens = Array.from({ length: 50 }, () => emulator.fcm.createToken({ projectId: PROJECT }));
    const outcomes = await own.send(tokens, message);
    assert.deepEqual(new Set(outcomes.map(inShort)), new Set(['accepted accepted']));
    const accepted = emulator.messages().filter(({ state }) => state === 'accepted');
    assert.deepEqual(accepted.map(({ target }) => target).sort(), tokens.sort());
  });

  test('a GOAWAY in the middle of 100 pushes loses and doubles none', async () => {
    const own = sender();
    await own.send([token], message);
    emulator.forgetMessages();
    const tokens = Array.from({ length: 100 }, () => emulator.fcm.createToken({ projectId: PROJECT }));
    emulator.faults.add({ service: 'fcm', kind: 'goaway', reason: 'max_age', target: tokens[40]! });
    const outcomes = await own.send(tokens, message);
    assert.deepEqual(new Set(outcomes.map(inShort)), new Set(['accepted accepted']));
    const accepted = emulator.messages().filter(({ state }) => state === 'accepted');
    assert.deepEqual(accepted.map(({ target }) => target).sort(), tokens.sort());
  });

  test('503 after delivery is in doubt: again, though it arrived', async () => {
    emulator.faults.add({ service: 'fcm', kind: 'status', status: 503, after: 'delivery' });
    const [outcome] = await sender().send([token], message);
    assert.equal(inShort(outcome!), 'retry unavailable');
    assert.equal(emulator.messages().length, 1);
  });

  test('exactly the unregistered share of the tokens is gone', async () => {
    const tokens = Array.from({ length: 60 }, () => emulator.fcm.createToken({ projectId: PROJECT }));
    emulator.faults.add({ service: 'fcm', kind: 'error', reason: 'UNREGISTERED', share: 0.3, times: null });
    const outcomes = await sender().send(tokens, message);
    const gone = tokens.filter((_, index) => outcomes[index]!.kind === 'gone').sort();
    const refused = emulator.messages().filter(({ status }) => status === 404);
    assert.deepEqual(gone, refused.map(({ target }) => target).sort());
    assert.ok(gone.length > 0 && gone.length < 60, `${gone.length} of 60`);
  });

  test('a key that the token endpoint refuses holds every push, and firebase-admin says why', async () => {
    emulator.faults.add({ service: 'oauth', kind: 'error', reason: 'invalid_grant', times: 2 });
    const outcomes = await sender().send([token, token], message);
    assert.deepEqual(outcomes.map(inShort), ['retry oauth_refused held', 'retry oauth_refused held']);
    await assert.rejects(messaging.send({ token, ...message.message }), /invalid_grant|Invalid JWT/);
    assert.equal(emulator.messages().length, 0);
  });
});

suite('APNs', () => {
  const message = { payload: { aps: { alert: 'Hi' } } };
  let token: string;
  let key: ReturnType<PushEmulator['apnsKey']>;
  const sender = () =>
    startSender('apns', {
      apns: {
        endpoint: emulator.apnsUrl,
        bundle_id: TOPIC,
        token_key_pem: key.key,
        token_key_id: key.keyId,
        token_team_id: key.teamId,
      },
    });

  beforeEach(() => {
    key = emulator.apnsKey({ bundleIds: [TOPIC] });
    token = emulator.apns.createToken({ topic: TOPIC });
  });

  /** The reason that node-apn gives for one push. */
  async function theirReason(to: string): Promise<string | undefined> {
    const { hostname, port } = new URL(emulator.apnsUrl);
    const provider = new apn.Provider({
      address: hostname,
      port: Number(port),
      ca: [emulator.ca],
      production: true,
      token: { key: key.key, keyId: key.keyId, teamId: key.teamId },
    } as apn.ProviderOptions);
    closers.push(async () => provider.shutdown());
    const note = Object.assign(new apn.Notification(), { topic: TOPIC, alert: 'Hi', pushType: 'alert' });
    const { failed } = await provider.send(note, to);
    return failed[0]?.response?.reason;
  }

  for (const [reason, ours] of [
    ['BadCollapseId', 'failed bad_collapse_id'],
    ['PayloadTooLarge', 'failed payload_too_large'],
    ['TooManyRequests', 'retry too_many_requests'],
    ['InvalidProviderToken', 'retry invalid_provider_token held'],
    ['TopicDisallowed', 'retry topic_disallowed held'],
  ] as const) {
    test(`${reason} is "${ours}" here, and the same reason to node-apn`, async () => {
      // node-apn tries some of them again by itself.
      emulator.faults.add({ service: 'apns', kind: 'error', reason, times: null });
      const [outcome] = await sender().send([token], message);
      assert.equal(inShort(outcome!), ours);
      assert.equal(await theirReason(token), reason);
    });
  }

  test('an app that was removed is gone, since the time that APNs gives, and Unregistered to node-apn', async () => {
    const since = Date.UTC(2026, 0, 2);
    emulator.apns.unregister(token, since);
    const [outcome] = await sender().send([token], message);
    assert.equal(inShort(outcome!), 'gone unregistered');
    assert.equal(outcome!.goneSince, since);
    assert.equal(await theirReason(token), 'Unregistered');
  });

  test('a sandbox’s tokens at production are bad ones to both, and no device is given up', async () => {
    const sandbox = Array.from({ length: 5 }, () =>
      emulator.apns.createToken({ topic: TOPIC, environment: 'development' }),
    );
    const outcomes = await sender().send(sandbox, message);
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['failed']));
    assert.equal(await theirReason(sandbox[0]!), 'BadDeviceToken');
  });

  test('a GOAWAY in the middle of 100 pushes loses and doubles none', async () => {
    const own = sender();
    await own.send([token], message);
    emulator.forgetMessages();
    const tokens = Array.from({ length: 100 }, () => emulator.apns.createToken({ topic: TOPIC }));
    emulator.faults.add({ service: 'apns', kind: 'goaway', reason: 'Shutdown', target: tokens[40]! });
    const outcomes = await own.send(tokens, message);
    assert.deepEqual(new Set(outcomes.map(inShort)), new Set(['accepted accepted']));
    const accepted = emulator.messages().filter(({ state }) => state === 'accepted');
    assert.deepEqual(accepted.map(({ target }) => target).sort(), tokens.sort());
  });
});

suite('HMS', () => {
  const message = {
    message: {
      notification: { title: 'Hi', body: 'there' },
      android: { notification: { click_action: { type: 3 } } },
    },
  };
  let app: ReturnType<PushEmulator['hmsApp']>;
  const sender = () =>
    startSender('hms', {
      hms: {
        app_id: app.clientId,
        app_secret: app.clientSecret,
        push_endpoint: emulator.httpsUrl,
        auth_endpoint: `${emulator.httpsUrl}/oauth2/v3/token`,
      },
    });
  beforeEach(() => {
    app = emulator.hmsApp();
  });

  test('of a thousand in one request only those are gone that Huawei lists', async () => {
    const tokens = Array.from({ length: 1_000 }, () => emulator.hms.createToken(app));
    for (const index of [3, 500]) emulator.hms.unregister(tokens[index]!);
    const outcomes = await sender().send(tokens, message);
    const gone = outcomes.filter(({ kind }) => kind === 'gone').map(({ index }) => index);
    assert.deepEqual(gone, [3, 500]);
    assert.equal(outcomes.filter(({ kind }) => kind === 'accepted').length, 998);
    assert.equal(emulator.messages().length, 1);
  });

  for (const isAt200 of [true, false]) {
    test(`an access token that ends early is replaced, with the error at ${isAt200 ? 200 : 401}`, async () => {
      emulator.hms.answersErrorsAt200 = isAt200;
      const own = sender();
      const token = emulator.hms.createToken(app);
      await own.send([token], message);
      emulator.expireAccessTokens();
      const [outcome] = await own.send([token], message);
      assert.equal(inShort(outcome!), 'accepted accepted');
    });
  }

  test('503 is flow control for the whole app', async () => {
    emulator.faults.add({ service: 'hms', kind: 'status', status: 503 });
    const [outcome] = await sender().send([emulator.hms.createToken(app)], message);
    assert.equal(inShort(outcome!), 'retry flow_control held');
  });
});

suite('Web Push', () => {
  const message = { headers: { TTL: '60' }, payload: { title: 'Hi' } };
  const vapid = webPush.generateVAPIDKeys();
  const sender = (extra: object = {}) =>
    startSender('webpush', {
      webpush: {
        subject: 'mailto:ops@example.com',
        vapid_public_key: vapid.publicKey,
        vapid_private_key: vapid.privateKey,
        insecure_endpoint_origins: [emulator.httpsUrl],
        ...extra,
      },
    });
  async function target(service: 'mozilla' | 'chromium', vapidKey = vapid.publicKey) {
    const { endpoint, keys } = await emulator.subscribe({ service, vapidKey, isSecure: true });
    return { token: endpoint, keys };
  }
  /** The status that the library `web-push` meets. */
  async function theirStatus({ token: endpoint, keys }: Awaited<ReturnType<typeof target>>): Promise<number> {
    return webPush
      .sendNotification({ endpoint, keys }, '{}', {
        agent: emulatorAgent(emulator),
        TTL: 60,
        vapidDetails: { subject: 'mailto:ops@example.com', ...vapid },
      })
      .then(
        ({ statusCode }) => statusCode,
        (error: { statusCode: number }) => error.statusCode,
      );
  }

  for (const service of ['mozilla', 'chromium'] as const) {
    test(`${service}: an ended subscription is gone to both`, async () => {
      const ended = await target(service);
      emulator.unsubscribe(ended.token);
      const [outcome] = await sender().send([ended], message);
      assert.equal(inShort(outcome!), 'gone unregistered');
      assert.equal(outcome!.httpStatus, 410);
      assert.equal(await theirStatus(ended), 410);
    });

    test(`${service}: a subscription of the pair before is reached at once by the other key`, async () => {
      const before = webPush.generateVAPIDKeys();
      const old = await target(service, before.publicKey);
      const rotated = sender({
        previous_vapid_keys: [{ vapid_public_key: before.publicKey, vapid_private_key: before.privateKey }],
      });
      const [outcome] = await rotated.send([old], message);
      assert.equal(inShort(outcome!), 'accepted accepted');
      const [unknown] = await sender().send([old], message);
      assert.equal(inShort(unknown!), 'failed vapid_key_mismatch');
    });
  }

  test('429 and 503 wait as long as they say; a huge wait is cut', async () => {
    const one = await target('mozilla');
    for (const [status, retryAfter, expected] of [
      [429, 30, 30_000],
      [503, 120, 120_000],
      [429, 864_000, 3_600_000],
      [503, 'soon', undefined],
    ] as const) {
      emulator.faults.add({ kind: 'status', status, retryAfter });
      const [outcome] = await sender().send([one], message);
      assert.equal(outcome!.kind, 'retry');
      assert.equal(outcome!.retryAfterMs, expected, `${status} ${retryAfter}`);
    }
  });

  test('an authority that nobody knows gets nothing', async () => {
    const subscription = await emulator.subscribe({ isSecure: true, vapidKey: vapid.publicKey });
    emulator.faults.add({ kind: 'tls', times: 3 });
    const one = { token: subscription.endpoint, keys: subscription.keys };
    const [outcome] = await sender().send([one], message);
    assert.equal(inShort(outcome!), 'retry connect_failed');
    assert.equal(emulator.messages().length, 0);
  });
});
