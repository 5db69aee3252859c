import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { ensureFirebase, type FirebaseMessaging, subscribeFirebase } from '../src/index.ts';
import { fakeBrowser, KEY, OTHER_KEY } from './fake-browser.ts';

type FakeBrowser = ReturnType<typeof fakeBrowser>;

/** The SDK, as far as it is used: like the real one it takes any subscription that it finds for its own. */
function fakeSdk(
  { registration, calls }: FakeBrowser,
  fails: 'getToken' | 'deleteToken' | 'never' = 'never',
) {
  let loads = 0;
  let tokens = 0;
  const messaging: FirebaseMessaging = {
    async getToken({ vapidKey, serviceWorkerRegistration }) {
      assert.equal(serviceWorkerRegistration, registration);
      if (fails === 'getToken') throw new Error('Messaging: quota exceeded');
      const { pushManager } = registration;
      if (!(await pushManager.getSubscription()))
        await pushManager.subscribe({ applicationServerKey: Buffer.from(vapidKey, 'base64url') });
      tokens += 1;
      calls.push('getToken');
      return `token-${tokens}`;
    },
    async deleteToken() {
      calls.push('deleteToken');
      if (fails === 'deleteToken') throw new Error('no network');
      return true;
    },
  };
  const loadMessaging = async () => {
    loads += 1;
    return messaging;
  };
  return {
    options: { vapidPublicKey: KEY, serviceWorkerUrl: '/firebase-messaging-sw.js', loadMessaging },
    messaging,
    loads: () => loads,
  };
}

suite('subscribing through Firebase', () => {
  test('asks first, waits for the worker, then gets a token for it', async () => {
    const fake = fakeBrowser();
    const { token } = await subscribeFirebase(fakeSdk(fake).options, fake.browser);
    assert.equal(token, 'token-1');
    assert.deepEqual(fake.calls, ['ask', 'register /firebase-messaging-sw.js', 'subscribe', 'getToken']);
  });

  test('loads nothing before the person has said yes', async () => {
    const fake = fakeBrowser({ answer: 'denied' });
    const sdk = fakeSdk(fake);
    await assert.rejects(subscribeFirebase(sdk.options, fake.browser), { code: 'denied' });
    const unasked = fakeBrowser({ permission: 'default' });
    assert.equal(await ensureFirebase(sdk.options, unasked.browser), undefined);
    assert.equal(sdk.loads(), 0);
  });

  test('ends a native subscription first: the SDK would take it for its own', async () => {
    const fake = fakeBrowser({ permission: 'granted', subscribedWith: OTHER_KEY, worker: '/sw.js' });
    await ensureFirebase(fakeSdk(fake).options, fake.browser);
    assert.deepEqual(fake.calls, [
      'register /firebase-messaging-sw.js',
      'unsubscribe',
      'subscribe',
      'getToken',
    ]);
  });

  test('keeps its subscription at the next start, and gives the token of that day', async () => {
    const fake = fakeBrowser({ permission: 'granted', subscribedWith: KEY });
    const { options } = fakeSdk(fake);
    assert.equal((await ensureFirebase(options, fake.browser))?.token, 'token-1');
    assert.equal((await ensureFirebase(options, fake.browser))?.token, 'token-2');
    assert.ok(!fake.calls.includes('unsubscribe') && !fake.calls.includes('ask'));
  });

  test('says what Firebase said when it gives no token', async () => {
    const fake = fakeBrowser({ permission: 'granted' });
    await assert.rejects(ensureFirebase(fakeSdk(fake, 'getToken').options, fake.browser), {
      code: 'service-failed',
      message: /quota exceeded/,
    });
  });

  test('names the worker that could not be installed, without what its URL carries', async () => {
    const fake = fakeBrowser({ permission: 'granted', workerFails: true });
    const { options } = fakeSdk(fake);
    await assert.rejects(
      ensureFirebase({ ...options, serviceWorkerUrl: '/firebase-messaging-sw.js?apiKey=k' }, fake.browser),
      { code: 'worker-failed', message: /worker \/firebase-messaging-sw\.js could/ },
    );
  });
});

suite('unsubscribing from Firebase', () => {
  const subscribed = async (fails: 'deleteToken' | 'never') => {
    const fake = fakeBrowser({ permission: 'granted' });
    const sdk = fakeSdk(fake, fails);
    const subscription = await ensureFirebase(sdk.options, fake.browser);
    return { ...fake, messaging: sdk.messaging, subscription: subscription! };
  };

  for (const fails of ['never', 'deleteToken'] as const) {
    test(`deletes the token and ends the subscription (fails: ${fails})`, async () => {
      const { subscription, registration, calls } = await subscribed(fails);
      await subscription.unsubscribe();
      assert.deepEqual(calls.slice(-2), ['deleteToken', 'unsubscribe']);
      assert.equal(await registration.pushManager.getSubscription(), null);
    });
  }

  test('does not wait for ever where Google cannot be reached', async () => {
    const { subscription, registration, messaging } = await subscribed('never');
    messaging.deleteToken = () => new Promise(() => {});
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const done = subscription.unsubscribe();
      mock.timers.tick(3_000);
      await done;
    } finally {
      mock.timers.reset();
    }
    assert.equal(await registration.pushManager.getSubscription(), null);
  });
});
