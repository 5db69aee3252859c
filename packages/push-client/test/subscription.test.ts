import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  deviceFrom,
  ensureSubscription,
  firebaseDevice,
  type PushError,
  subscribe,
  unsubscribe,
} from '../src/index.ts';
import { handleSubscriptionChange, type SubscriptionChangeEvent } from '../src/worker.ts';
import { fakeBrowser, KEY, OTHER_KEY } from './fake-browser.ts';
import { fakeScope, run } from './fakes.ts';

const options = { vapidPublicKey: KEY, serviceWorkerUrl: '/sw.js' };

suite('subscribing in a click', () => {
  test('asks first, waits for the worker, then subscribes with the key', async () => {
    const { browser, calls } = fakeBrowser();
    const subscription = await subscribe(options, browser);
    assert.deepEqual(calls, ['ask', 'register /sw.js', 'subscribe']);
    assert.equal(Buffer.from(subscription.options.applicationServerKey!).toString('base64url'), KEY);
  });

  for (const [answer, code] of [
    ['denied', 'denied'],
    ['default', 'dismissed'],
  ] as const) {
    test(`tells ${code} when the answer is ${answer}, and installs nothing`, async () => {
      const { browser, calls } = fakeBrowser({ answer });
      await assert.rejects(subscribe(options, browser), { name: 'PushError', code });
      assert.deepEqual(calls, ['ask']);
    });
  }

  test('does not ask where it cannot work', async () => {
    const { browser, calls } = fakeBrowser();
    const support = () =>
      ({ state: 'needs-install', code: 'ios-browser-tab', reason: 'Install it.' }) as const;
    await assert.rejects(subscribe(options, { ...browser, support }), {
      code: 'unsupported',
      message: 'Install it.',
    });
    assert.deepEqual(calls, []);
  });

  test('tells a failed worker from a failed push service', async () => {
    await assert.rejects(subscribe(options, fakeBrowser({ workerFails: true }).browser), {
      code: 'worker-failed',
    });
    await assert.rejects(
      subscribe(options, fakeBrowser({ refusesSubscription: true }).browser),
      (error: PushError) => error.code === 'service-failed' && /push service error/.test(error.message),
    );
  });
});

suite('at the start of the app', () => {
  test('does nothing without permission', async () => {
    const { browser, calls } = fakeBrowser({ permission: 'default' });
    assert.equal(await ensureSubscription(options, browser), undefined);
    assert.deepEqual(calls, []);
  });

  test('keeps a subscription that was made with this key', async () => {
    const { browser, calls } = fakeBrowser({ permission: 'granted', subscribedWith: KEY });
    assert.equal((await ensureSubscription(options, browser))?.endpoint, 'https://push.example/1');
    assert.deepEqual(calls, ['register /sw.js']);
  });

  test('renews one that was made with another key', async () => {
    const { browser, calls } = fakeBrowser({ permission: 'granted', subscribedWith: OTHER_KEY });
    assert.equal((await ensureSubscription(options, browser))?.endpoint, 'https://push.example/2');
    assert.deepEqual(calls, ['register /sw.js', 'unsubscribe', 'subscribe']);
  });

  test('puts its worker in the place of another one, and waits until that is at work', async () => {
    const { browser, registration } = fakeBrowser({ permission: 'granted', worker: '/other-sw.js' });
    assert.ok(await ensureSubscription(options, browser));
    assert.equal(registration.active?.scriptURL, '/sw.js');
  });

  test('renews one that was lost, without a question', async () => {
    const { browser, calls } = fakeBrowser({ permission: 'granted' });
    assert.ok(await ensureSubscription(options, browser));
    assert.deepEqual(calls, ['register /sw.js', 'subscribe']);
  });
});

suite('unsubscribing', () => {
  test('ends the subscription and says whether there was one', async () => {
    const { browser } = fakeBrowser({ subscribedWith: KEY });
    assert.equal(await unsubscribe(browser.serviceWorker), true);
    assert.equal(await unsubscribe(browser.serviceWorker), false);
  });
});

suite('what is registered', () => {
  const environment = { userAgent: 'x'.repeat(1000), language: 'pt-BR', timezone: 'Europe/Nicosia' };
  const subscription = {
    toJSON: () => ({
      endpoint: 'https://push.example/1',
      expirationTime: null,
      keys: { p256dh: 'p', auth: 'a' },
    }),
  };

  test('is the subscription as a JSON string, with zone and language', () => {
    assert.deepEqual(deviceFrom(subscription, environment), {
      provider: 'webpush',
      platform: 'web',
      token: '{"endpoint":"https://push.example/1","keys":{"p256dh":"p","auth":"a"}}',
      timezone: 'Europe/Nicosia',
      locale: 'pt-BR',
      meta: { user_agent: 'x'.repeat(256) },
    });
  });

  test('names the key that the subscription was made with', async () => {
    const { browser } = fakeBrowser({ permission: 'granted', subscribedWith: KEY });
    const known = await ensureSubscription(options, browser);
    assert.deepEqual(JSON.parse(deviceFrom(known!, environment).token), {
      endpoint: 'https://push.example/1',
      keys: { p256dh: 'p', auth: 'a' },
      applicationServerKey: KEY,
    });
  });

  test('is the token itself where pushes go through Firebase', () => {
    assert.deepEqual(firebaseDevice('token-1', environment), {
      provider: 'fcm',
      platform: 'web',
      token: 'token-1',
      timezone: 'Europe/Nicosia',
      locale: 'pt-BR',
      meta: { user_agent: 'x'.repeat(256) },
    });
  });
});

suite('when the push service ends the subscription', () => {
  test('takes a new one and registers it', async () => {
    const { registration, browser } = fakeBrowser({ permission: 'granted' });
    await ensureSubscription(options, browser);
    await unsubscribe(browser.serviceWorker);
    const scope = { ...fakeScope(), registration: registration as never };
    const tokens: string[] = [];
    const listener = handleSubscriptionChange(
      { vapidPublicKey: async () => KEY, register: async ({ token }) => void tokens.push(token) },
      scope,
    );
    await run<SubscriptionChangeEvent>(listener, {});
    assert.deepEqual(
      tokens.map((token) => JSON.parse(token).endpoint),
      ['https://push.example/2'],
    );
  });

  test('leaves it to the next start of the app when the backend is away', async () => {
    const { registration } = fakeBrowser();
    const scope = { ...fakeScope(), registration: registration as never };
    const vapidPublicKey = () => Promise.reject(new Error('no network'));
    await run<SubscriptionChangeEvent>(
      handleSubscriptionChange({ vapidPublicKey, register: async () => {} }, scope),
      {},
    );
  });
});
