import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { showDevice } from '../../../src/api/methods/push-devices.ts';
import type { Device } from '../../../src/push/devices/registry.ts';
import type { Outcome, Provider, Target } from '../../../src/push/providers/provider.ts';
import {
  createWebPushProvider,
  generateVapidKeys,
  type VapidKeys,
  webPushRules,
} from '../../../src/push/providers/webpush/index.ts';
import { Browser, PushService, sendAll, webPushConfig } from './support.ts';

const browser = new Browser();
const [current, older, oldest, foreign] = Array.from({ length: 4 }, generateVapidKeys) as [
  VapidKeys,
  VapidKeys,
  VapidKeys,
  VapidKeys,
];
const pair = ({ publicKey, privateKey }: VapidKeys) => ({
  vapid_public_key: publicKey,
  vapid_private_key: privateKey,
});

/** How each service says that a subscription belongs to another key (vendors, 4.5 to 4.8). */
const MISMATCHES: Record<string, { status: number; text: string; headers?: Record<string, string> }> = {
  Mozilla: {
    status: 401,
    text: '{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch","more_info":"http://autopush.readthedocs.io/en/latest/http.html#error-codes"}',
  },
  Google: {
    status: 403,
    text: 'the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n',
  },
  'Google, of a sender id': {
    status: 403,
    text: 'the key in the authorization header does not correspond to the sender ID used to subscribe this user. Please ensure you are using the correct sender ID and server Key from the Firebase console.\n',
  },
  Apple: { status: 400, text: '{"reason":"VapidPkHashMismatch"}' },
  Microsoft: {
    status: 403,
    text: '',
    headers: {
      'x-wns-error-description': 'Channel URL incompatible with caller app',
      'x-wns-msg-id': '1A2B',
    },
  },
};

let service: PushService;
let provider: Provider;

afterEach(async () => {
  await provider?.close();
  await service?.close();
});

/** A service whose subscriptions belong to the key that their path names. */
async function start(mismatch = MISMATCHES.Mozilla!): Promise<void> {
  service = await PushService.startPlain();
  service.answer = ({ path, headers }, response) => {
    const key = /k=([\w-]+)/.exec(String(headers.authorization))?.[1];
    const isRight = path.split('/')[2] === key;
    response.writeHead(isRight ? 201 : mismatch.status, isRight ? {} : mismatch.headers);
    response.end(isRight ? '' : mismatch.text);
  };
  provider = createWebPushProvider(
    webPushConfig({
      ...pair(current),
      previous_vapid_keys: [pair(older), pair(oldest)],
      insecure_endpoint_origins: [`http://127.0.0.1:${service.port}`],
    }),
  );
}

let number = 0;
/** A subscription made for a key, which is on record or not. */
function subscribed(key: VapidKeys, recorded?: VapidKeys): Target {
  number += 1;
  const token = `http://127.0.0.1:${service.port}/wpush/${key.publicKey}/${number}`;
  return { token, keys: { ...browser.keys, ...(recorded && { vapid: recorded.publicKey }) } };
}

const kinds = (outcomes: readonly Outcome[]) => outcomes.map(({ kind, code }) => `${kind} ${code}`);

describe('a VAPID pair that was changed', () => {
  it('signs for subscriptions of the new key, and the old ones for theirs, with one request each', async () => {
    await start();
    const targets = [subscribed(current, current), subscribed(older, older), subscribed(oldest, oldest)];
    targets.push(subscribed(current));
    assert.deepEqual(kinds(await sendAll(provider, targets)), Array(4).fill('accepted accepted'));
    assert.equal(service.received.length, 4);
  });

  for (const [name, mismatch] of Object.entries(MISMATCHES)) {
    it(`loses no subscription whose key is not on record: the old ones are tried when the service says so (${name})`, async () => {
      await start(mismatch);
      const targets = [
        subscribed(current),
        subscribed(older),
        subscribed(oldest),
        subscribed(older, current),
      ];
      assert.deepEqual(kinds(await sendAll(provider, targets)), Array(4).fill('accepted accepted'));
      assert.equal(service.received.length, 1 + 2 + 3 + 2);
      const rung = service.received.map(({ body }) => JSON.parse(browser.decrypt(body).toString()));
      assert.deepEqual(new Set(rung.map(({ text }) => text)), new Set(['hello']));
    });
  }

  it('costs only those that are known to be for a key that is not ours, and only while others are accepted', async () => {
    await start();
    const outcomes = await sendAll(provider, [
      subscribed(current, current),
      subscribed(current, current),
      subscribed(foreign, foreign),
      subscribed(foreign),
      subscribed(foreign, current),
      // The record is wrong, and the service knows better.
      subscribed(older, foreign),
    ]);
    assert.deepEqual(kinds(outcomes), [
      'accepted accepted',
      'accepted accepted',
      'gone vapid_key_mismatch',
      'failed vapid_key_mismatch',
      'failed vapid_key_mismatch',
      'accepted accepted',
    ]);
    assert.match(outcomes[3]!.reason!, /VAPID public key mismatch; .*previous_vapid_keys/);
  });

  it('and forgotten in previous_vapid_keys empties no table', async () => {
    await start();
    const outcomes = await sendAll(
      provider,
      Array.from({ length: 20 }, () => subscribed(foreign, foreign)),
    );
    assert.deepEqual(new Set(kinds(outcomes)), new Set(['failed vapid_key_mismatch']));
    assert.match(outcomes[0]!.reason!, /the device is kept/);
  });

  it('stops the start with the option named when it is broken', () => {
    const broken = { ...pair(older), vapid_private_key: oldest.privateKey };
    assert.throws(
      () => createWebPushProvider(webPushConfig({ previous_vapid_keys: [pair(oldest), broken] })),
      /webpush\.previous_vapid_keys\[1\]\.vapid_public_key does not belong to vapid_private_key/,
    );
  });
});

describe("a subscription's VAPID key", () => {
  const rules = webPushRules(webPushConfig());
  const parse = (applicationServerKey: unknown) =>
    rules.parseToken(
      JSON.stringify({
        endpoint: 'https://fcm.googleapis.com/wp/x',
        keys: browser.keys,
        applicationServerKey,
      }),
      'token',
    );

  it('is read where the client tells it, in one form', () => {
    const padded = Buffer.from(older.publicKey, 'base64url').toString('base64');
    for (const text of [older.publicKey, padded]) {
      assert.deepEqual(parse(text).keys, { ...browser.keys, vapid: older.publicKey });
    }
    for (const nothing of [undefined, null]) assert.deepEqual(parse(nothing).keys, browser.keys);
  });

  it('is refused with the field named when it is none', () => {
    for (const value of ['', 'AAAA', 7, {}, browser.keys.auth]) {
      assert.throws(() => parse(value), /token\.applicationServerKey: must be base64url of 65 bytes/);
    }
  });

  it("is not told with the device's keys", () => {
    const keys = { ...browser.keys, vapid: older.publicKey };
    const shown = showDevice({ id: 'webpush-1', webpush_keys: keys } as unknown as Device);
    assert.deepEqual(JSON.parse((shown as { webpush_keys: string }).webpush_keys), browser.keys);
  });
});
