import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import webPush from 'web-push';
import { emulatorAgent, type PushEmulator, startPushEmulator } from '../src/index.ts';
import { vapid } from './support.ts';

/** The most used web push library for Node, unchanged: what both agree on, neither made up. */

let emulator: PushEmulator;
let agent: ReturnType<typeof emulatorAgent>;

beforeEach(async () => {
  emulator = await startPushEmulator();
  agent = emulatorAgent(emulator);
});
afterEach(async () => {
  agent.destroy();
  await emulator.close();
});

for (const service of ['mozilla', 'chromium'] as const) {
  suite(`web-push with ${service}`, () => {
    const subscribe = () => emulator.subscribe({ service, vapidKey: vapid.publicKey, isSecure: true });
    let subscription: webPush.PushSubscription;
    beforeEach(() => {
      subscription = subscribe();
    });

    const send = (options: webPush.RequestOptions = {}) =>
      webPush.sendNotification(subscription, 'hello', {
        agent,
        vapidDetails: { subject: 'mailto:ops@example.com', ...vapid },
        TTL: 60,
        ...options,
      });
    const fails = (statusCode: number, options?: webPush.RequestOptions) =>
      assert.rejects(send(options), (error: webPush.WebPushError) => {
        assert.equal(error.statusCode, statusCode);
        return true;
      });

    test('urgency and topic arrive, and the answer says where the message is', async () => {
      const { statusCode, headers } = await send({ urgency: 'high', topic: 'room-7' });
      assert.equal(statusCode, 201);
      assert.ok(headers.location);
      assert.partialDeepStrictEqual(emulator.messages(), [
        { payload: 'hello', headers: { ttl: 60, urgency: 'high', topic: 'room-7' } },
      ]);
    });

    test('another key is refused in the words of the service', async () => {
      const vapidDetails = { subject: 'mailto:ops@example.com', ...webPush.generateVAPIDKeys() };
      await fails(service === 'mozilla' ? 401 : 403, { vapidDetails });
    });

    test('a subscription that has ended is gone', async () => {
      emulator.unsubscribe(subscription.endpoint);
      await fails(410);
    });

    test('an error on request comes with the time to wait', async () => {
      emulator.faults.add({ service, kind: 'status', status: 429, retryAfter: 30 });
      await assert.rejects(send(), (error: webPush.WebPushError) => {
        assert.deepEqual([error.statusCode, error.headers['retry-after']], [429, '30']);
        return true;
      });
    });
  });
}
