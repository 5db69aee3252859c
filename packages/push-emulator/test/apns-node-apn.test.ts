import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import apn from '@parse/node-apn';
import { type ApnsKey, type PushEmulator, startPushEmulator } from '../src/index.ts';

/** The most used APNs library for Node, unchanged: what both agree on, neither made up. */

const TOPIC = 'com.example.chat';

let emulator: PushEmulator;
let key: ApnsKey;
let provider: apn.Provider;
let token: string;

beforeEach(async () => {
  emulator = await startPushEmulator();
  key = emulator.apnsKey({ bundleIds: [TOPIC] });
  token = emulator.apns.createToken({ topic: TOPIC });
  provider = createProvider({ token: { key: key.key, keyId: key.keyId, teamId: key.teamId } });
});
afterEach(async () => {
  await provider.shutdown();
  await emulator.close();
});

function createProvider(options: apn.ProviderOptions): apn.Provider {
  const { hostname, port } = new URL(emulator.apnsUrl);
  return new apn.Provider({
    address: hostname,
    port: Number(port),
    ca: emulator.ca,
    production: true,
    ...options,
  } as apn.ProviderOptions);
}

function notification(changes: Partial<apn.Notification> = {}): apn.Notification {
  const note = new apn.Notification();
  return Object.assign(note, { topic: TOPIC, alert: 'Hi', pushType: 'alert', ...changes });
}

/** The reasons of those that failed. */
async function reasons(to: string | string[], changes: Partial<apn.Notification> = {}): Promise<unknown[]> {
  const { failed } = await provider.send(notification(changes), to);
  return failed.map(({ status, response, error }) => (response ? `${status} ${response.reason}` : error));
}

suite('node-apn', () => {
  test('sends with a provider token', async () => {
    const expiry = Math.floor(Date.now() / 1000) + 60;
    const { sent, failed } = await provider.send(
      notification({
        id: 'eabeae54-14a8-11e5-b60b-1697f925ec7b',
        collapseId: 'c',
        expiry,
        priority: 5,
        badge: 2,
      }),
      token,
    );
    assert.deepEqual(failed, []);
    assert.deepEqual(
      sent.map(({ device }) => device),
      [token],
    );
    const [record] = emulator.messages();
    assert.deepEqual(record?.payload, { aps: { alert: 'Hi', badge: 2 } });
  });

  test('sends to many at once, and tells who was not reached', async () => {
    // It opens its streams before it has read SETTINGS, and takes those that are refused, being over the limit, for failed.
    emulator.apns.forceMaxStreams(1000);
    const gone = emulator.apns.createToken({ topic: TOPIC });
    emulator.apns.unregister(gone, 1508249865488);
    const others = Array.from({ length: 20 }, () => emulator.apns.createToken({ topic: TOPIC }));
    const { sent, failed } = await provider.send(notification(), [...others, gone]);
    assert.equal(sent.length, 20);
    assert.deepEqual(
      failed.map(({ device, status, response }) => ({ device, status, response })),
      [{ device: gone, status: 410, response: { reason: 'Unregistered', timestamp: 1508249865488 } }],
    );
  });

  test('sends with a certificate, from a PKCS#12 file or from PEM', async () => {
    const {
      p12,
      passphrase,
      key: pem,
      cert,
    } = emulator.apnsCertificate({ topics: [TOPIC], passphrase: 'secret' });
    for (const options of [
      { pfx: p12, passphrase },
      { key: pem, cert },
    ]) {
      await provider.shutdown();
      provider = createProvider(options);
      assert.deepEqual(await reasons(token), []);
    }
  });

  test('reads the refusals as Apple documents them', async () => {
    assert.deepEqual(await reasons('ab'.repeat(32)), ['400 BadDeviceToken']);
    assert.deepEqual(await reasons(token, { topic: 'com.example.other' }), ['400 DeviceTokenNotForTopic']);
    assert.deepEqual(await reasons(token, { pushType: 'background' }), ['400 BadPriority']);
    assert.deepEqual(await reasons(token, { payload: { text: 'x'.repeat(4096) } }), ['413 PayloadTooLarge']);
  });

  test('reads the errors on request', async () => {
    for (const [reason, status] of [
      ['ExpiredToken', 410],
      ['TopicDisallowed', 400],
      ['InvalidProviderToken', 403],
    ] as const) {
      emulator.faults.add({ service: 'apns', kind: 'error', reason });
      assert.deepEqual(await reasons(token), [`${status} ${reason}`]);
    }
  });

  test('tries again after 429 and 503', async () => {
    emulator.faults.add({ service: 'apns', kind: 'error', reason: 'TooManyRequests' });
    emulator.faults.add({ service: 'apns', kind: 'error', reason: 'ServiceUnavailable' });
    assert.deepEqual(await reasons(token), []);
    assert.deepEqual(
      emulator.messages().map(({ status }) => status),
      [429, 503, 200],
    );
  });
});
