import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import webPush from 'web-push';
import { emulatorAgent, type PushEmulator, startPushEmulator } from '../src/index.ts';
import { send, vapid } from './support.ts';

let emulator: PushEmulator;

beforeEach(async () => {
  emulator = await startPushEmulator();
});
afterEach(() => emulator.close());

const vapidDetails = { subject: 'mailto:ops@example.com', ...vapid };

for (const service of ['mozilla', 'chromium'] as const) {
  suite(`a subscription without a browser, by ${service}`, () => {
    test('takes what the web-push package sends over TLS, as it is, and shows what it says', async () => {
      const agent = emulatorAgent(emulator);
      const subscription = emulator.subscribe({ service, vapidKey: vapid.publicKey, isSecure: true });
      assert.equal(new URL(subscription.endpoint).origin, emulator.httpsUrl);
      const { statusCode } = await webPush.sendNotification(subscription, '{"title":"Hello"}', {
        vapidDetails,
        TTL: 60,
        agent,
      });
      agent.destroy();
      assert.equal(statusCode, 201);
      assert.partialDeepStrictEqual(emulator.messages(), [
        { service, state: 'acknowledged', payload: { title: 'Hello' }, acknowledgeCode: 100 },
      ]);
    });

    test('takes plain HTTP just so, text as text, and nothing as nothing', async () => {
      const { endpoint, keys } = emulator.subscribe({ service, vapidKey: vapid.publicKey });
      assert.equal((await send(endpoint, { keys, payload: 'words' })).status, 201);
      assert.equal((await send(endpoint, { keys, payload: null })).status, 201);
      assert.deepEqual(
        emulator.messages().map(({ payload, target }) => [payload, target]),
        [
          ['words', endpoint],
          [undefined, endpoint],
        ],
      );
    });

    test('says when it cannot decrypt', async () => {
      const { endpoint } = emulator.subscribe({ service, vapidKey: vapid.publicKey });
      assert.equal((await send(endpoint)).status, 201);
      assert.partialDeepStrictEqual(emulator.messages(), [{ acknowledgeCode: 101 }]);
      assert.equal(emulator.messages()[0]?.payload, undefined);
    });

    test('refuses whom its service refuses, and is gone when it was ended', async () => {
      const { endpoint, keys } = emulator.subscribe({
        service,
        vapidKey: webPush.generateVAPIDKeys().publicKey,
      });
      assert.equal((await send(endpoint, { keys })).status, service === 'mozilla' ? 401 : 403);
      const own = emulator.subscribe({ service, vapidKey: vapid.publicKey });
      assert.equal(emulator.unsubscribe(own.endpoint), true);
      assert.equal(emulator.unsubscribe(own.endpoint), false);
      assert.equal((await send(own.endpoint, { keys: own.keys })).status, 410);
    });
  });
}

test("without a key it is open to all at Mozilla's, and not to be had at Google's", async () => {
  const { endpoint, keys } = emulator.subscribe();
  assert.equal((await send(endpoint, { keys, change: { authorization: undefined } })).status, 201);
  assert.throws(
    () => emulator.subscribe({ service: 'chromium' }),
    /vapidKey is undefined: a P-256 public key/,
  );
});

test('options that are none are named', () => {
  assert.throws(() => emulator.subscribe({ vapidKey: 'x' }), /vapidKey is "x"/);
  assert.throws(
    () => emulator.subscribe({ service: 'apple' as never }),
    /service is "apple": mozilla, chromium/,
  );
});
