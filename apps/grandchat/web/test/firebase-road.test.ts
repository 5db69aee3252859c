import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { FirebaseRoad } from '../src/push/firebase-road.ts';
import { firebaseConfigFrom, firebaseWorkerUrl } from '../src/push/firebase-worker-url.ts';
import { Notifications } from '../src/push/notifications.ts';
import { roadFor } from '../src/push/road.ts';
import { FakeBrowser } from './support/fake-browser.ts';

const CONFIG = {
  apiKey: 'key & more',
  appId: '1:1234:web:abc',
  messagingSenderId: '1234',
  projectId: 'demo',
  authDomain: 'demo.firebaseapp.com',
};
const FIREBASE = {
  push_notifications: { enabled: true, vapid_public_key: 'BAEC', firebase_config: CONFIG },
};
const NATIVE = { push_notifications: { enabled: true, vapid_public_key: 'BAEF', firebase_config: null } };
const ANN = 1;

suite('the bell, through Firebase', () => {
  let browser: FakeBrowser;
  let uninstall: () => void;
  let registered: { provider?: string; token?: string; device_id?: string }[];
  let notifications: Notifications;
  let loads: number;
  let deletions: number;
  /** The token that Firebase has for this browser. */
  let token: string;

  beforeEach(() => {
    browser = new FakeBrowser();
    uninstall = browser.install();
    registered = [];
    loads = 0;
    deletions = 0;
    token = 'token-1';
    const openMessaging = () => ({
      async getToken({ vapidKey, serviceWorkerRegistration: { pushManager } }: GetTokenOptions) {
        if (!browser.subscription)
          await pushManager.subscribe({ applicationServerKey: Buffer.from(vapidKey, 'base64url') });
        return token;
      },
      async deleteToken() {
        deletions += 1;
        return true;
      },
    });
    const loadSdk = async () => {
      loads += 1;
      return { openMessaging };
    };
    const api = {
      registerDevice: async (device: object & { provider?: string }) => {
        registered.push(device);
        return { device_id: `${device.provider}-1` };
      },
    };
    notifications = new Notifications(api, (settings) => {
      const { firebase_config: config, vapid_public_key: key } = settings.push_notifications;
      return config ? new FirebaseRoad(config, key, loadSdk) : roadFor(settings);
    });
  });
  afterEach(() => uninstall());

  test('nothing of the SDK is loaded before the bell is pressed, nor on the native road', async () => {
    await notifications.start(ANN, FIREBASE);
    assert.deepEqual([browser.questions, registered.length, loads], [0, 0, 0]);
    await notifications.stop();
    await notifications.start(ANN, NATIVE);
    await notifications.turnOn();
    assert.deepEqual([registered[0]?.provider, loads], ['webpush', 0]);
    assert.equal(notifications.state.isPrivate, true);
  });

  test('pressing it asks, installs Firebase’s worker, gets a token and registers it', async () => {
    await notifications.start(ANN, FIREBASE);
    await notifications.turnOn();
    assert.equal(browser.questions, 1);
    assert.equal(browser.worker, firebaseWorkerUrl(CONFIG));
    assert.partialDeepStrictEqual(registered, [{ provider: 'fcm', platform: 'web', token: 'token-1' }]);
    assert.deepEqual([notifications.deviceId, notifications.state.isOn], ['fcm-1', true]);
    assert.equal(notifications.state.isPrivate, false, 'the bell says that Firebase can read texts');
  });

  test('P3: a token that Firebase has renewed is registered at the next start, under the same device', async () => {
    await notifications.start(ANN, FIREBASE);
    await notifications.turnOn();
    token = 'token-2';
    await notifications.start(ANN, FIREBASE);
    assert.partialDeepStrictEqual(registered[1], { token: 'token-2', device_id: 'fcm-1' });
    assert.equal(browser.questions, 1);
  });

  test('a logout deletes the token, ends the subscription and forgets the device', async () => {
    await notifications.start(ANN, FIREBASE);
    await notifications.turnOn();
    await notifications.stop();
    assert.deepEqual([deletions, browser.subscription, notifications.deviceId], [1, null, null]);
  });

  test('so does turning it off, and it stays off', async () => {
    await notifications.start(ANN, FIREBASE);
    await notifications.turnOn();
    await notifications.turnOff();
    assert.deepEqual([deletions, browser.subscription], [1, null]);
    await notifications.start(ANN, FIREBASE);
    assert.equal(registered.length, 1);
  });

  for (const [from, to] of [
    [NATIVE, FIREBASE],
    [FIREBASE, NATIVE],
  ] as const) {
    const name = from === NATIVE ? 'from native Web Push to Firebase' : 'from Firebase to native Web Push';
    test(`a server that has changed over ${name} takes the browser along, with a subscription of its own key`, async () => {
      await notifications.start(ANN, from);
      await notifications.turnOn();
      const before = browser.subscription;
      await notifications.start(ANN, to);
      assert.equal(registered[1]?.provider, to === FIREBASE ? 'fcm' : 'webpush');
      assert.equal(registered[1]?.device_id, notifications.state.isOn && `${registered[0]?.provider}-1`);
      assert.notEqual(browser.subscription, before);
      const { applicationServerKey } = browser.subscription!.options;
      assert.equal(
        Buffer.from(applicationServerKey).toString('base64url'),
        to.push_notifications.vapid_public_key,
      );
      assert.equal(notifications.deviceId, `${registered[1]?.provider}-1`);
    });
  }

  test('what Firebase says when it fails is said at the bell', async () => {
    const { subscribe } = await failingRegistration();
    await notifications.start(ANN, FIREBASE);
    await notifications.turnOn();
    assert.match(notifications.state.problem, /Firebase gave no token: push service error/);
    assert.deepEqual(
      [notifications.state.isOn, notifications.state.busy, subscribe.tried],
      [false, false, 1],
    );
  });

  async function failingRegistration() {
    const registration = (await navigator.serviceWorker.getRegistration())!;
    const subscribe = { tried: 0 };
    registration.pushManager.subscribe = async () => {
      subscribe.tried += 1;
      throw new Error('push service error');
    };
    return { subscribe };
  }
});

test('the worker’s URL carries what the worker needs, and is the same for the same project', () => {
  const url = firebaseWorkerUrl(CONFIG);
  const { pathname, search } = new URL(url, 'https://chat.example');
  const { authDomain: _, ...needed } = CONFIG;
  assert.equal(pathname, '/firebase-messaging-sw.js');
  assert.deepEqual(firebaseConfigFrom(search), needed);
  assert.equal(firebaseWorkerUrl(Object.fromEntries(Object.entries(CONFIG).reverse())), url);
});

interface GetTokenOptions {
  readonly vapidKey: string;
  readonly serviceWorkerRegistration: ServiceWorkerRegistration;
}
