import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { generateVapidKeys } from '../../src/push/providers/webpush/index.ts';
import { eachPush, openPushBench, type PushBench, type PushPlace, subscription } from '../support/push.ts';
import { silent } from '../support/realtime.ts';

function webPushOfItsOwn() {
  const { publicKey, privateKey } = generateVapidKeys();
  return {
    subject: 'https://shop.example',
    vapid_public_key: publicKey,
    vapid_private_key: privateKey,
    tokens_batch_size: 2,
  };
}

eachPush('apps with credentials of their own', (open) => {
  let place: PushPlace;
  let bench: PushBench;
  before(async () => {
    place = await open();
    bench = await openPushBench(place.db, {
      queue: place.queue,
      config: { apps: { shop: { webpush: webPushOfItsOwn() } } },
    });
  });
  after(async () => {
    await bench?.close();
    await place?.drop();
  });
  beforeEach(() => {
    bench.senders.rung.length = 0;
    bench.senders.batches.length = 0;
    bench.senders.lanes.length = 0;
  });

  test('a send reaches the devices of its app alone, with that app’s credentials; without one, the default app’s', async () => {
    await bench.register('home', 'ann', { topics: ['news'] });
    await bench.register('s1', 'ann', { topics: ['news'], app: 'shop' });
    await bench.register('s2', 'bob', { topics: ['news'], app: 'shop' });
    await bench.register('s3', 'cat', { topics: ['news'], app: 'shop' });
    await bench.ring({ topics: ['news'] }, { app: 'shop' });
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung.toSorted(), ['s1', 's2', 's3']);
    assert.deepEqual(bench.senders.lanes, ['webpush:shop', 'webpush:shop'], 'two batches, by the app’s size');
    bench.senders.rung.length = 0;
    bench.senders.lanes.length = 0;
    await bench.ring({ users: ['ann'] });
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung, ['home']);
    assert.deepEqual(bench.senders.lanes, ['webpush']);
  });

  test('a push that an older server accepted reaches the default app’s devices alone', async () => {
    await bench.register('old-home', 'old');
    await bench.register('old-shop', 'old', { app: 'shop' });
    const uid = await bench.ring({ users: ['old'] }, { send_at: Math.floor(Date.now() / 1000) + 3_600 });
    const stored = await bench.push.queue.load(uid);
    await bench.push.cancel(uid);
    if (!stored) throw new Error('the push is not known');
    const { app: _app, ...before } = { ...stored.push, uid: 'older', sendAt: 0, filter: { users: ['old'] } };
    await bench.push.queue.accept(before, [{ lane: 'fanout', uid: 'older', payload: { cursor: '' } }]);
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung, ['old-home']);
  });

  test('jobs of an app that is configured no longer are told of, wait, and can be cancelled', async () => {
    const uid = await bench.ring({ users: ['old'] }, { send_at: Math.floor(Date.now() / 1000) + 3_600 });
    const stored = await bench.push.queue.load(uid);
    await bench.push.cancel(uid);
    if (!stored) throw new Error('the push is not known');
    await bench.push.queue.accept({ ...stored.push, uid: 'stranded', app: 'closed' }, [
      {
        lane: 'webpush:closed',
        uid: 'stranded',
        payload: { devices: ['webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV'] },
      },
    ]);
    let tell = (_lanes: unknown) => {};
    const told = new Promise((resolve) => {
      tell = resolve;
    });
    const logger = {
      ...silent,
      warn: (fields: { lanes?: unknown }) => {
        if (fields.lanes) tell(fields.lanes);
      },
    };
    const later = await openPushBench(place.db, { queue: place.queue, logger });
    assert.deepEqual(await told, ['webpush:closed']);
    await later.call('cancel_push', { uid: 'stranded' });
    await later.untilIdle();
    await later.close();
  });

  test('raw tokens go out with the credentials of the app that is named', async () => {
    await bench.call('send_push_notification', {
      app: 'shop',
      recipient: { webpush_tokens: [subscription('raw')] },
      notification: { webpush: { payload: { hello: 1 } } },
    });
    await bench.untilIdle();
    assert.deepEqual(bench.senders.lanes, ['webpush:shop']);
  });

  test('a device that registers in another app moves there', async () => {
    const id = await bench.register('mover', 'mia');
    const token = subscription('mover');
    await bench.call('device_register', {
      id,
      provider: 'webpush',
      platform: 'web',
      token,
      user: 'mia',
      app: 'shop',
    });
    const { items } = await bench.call<{ items: { id: string; app?: string }[] }>('device_list', {
      filter: { users: ['mia'], apps: ['shop'] },
    });
    assert.deepEqual(
      items.map((device) => [device.id, device.app]),
      [[id, 'shop']],
    );
    await bench.ring({ users: ['mia'] });
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung, []);
  });

  test('what became of a push of an app is told under its provider', async () => {
    await bench.register('told', 'tom', { app: 'shop' });
    const uid = await bench.ring({ users: ['tom'] }, { app: 'shop' });
    await bench.untilIdle();
    const { items } = await bench.call<{ items: { provider: string; status: string }[] }>('push_status', {
      uid,
    });
    assert.deepEqual(
      items.map(({ provider, status }) => [provider, status]),
      [['webpush', 'accepted']],
    );
  });

  test('an unknown app, and a provider that an app does not have, are refused with what there is', async () => {
    const refused = (message: RegExp) => (error: Error & { code?: number }) =>
      error.code === 107 && message.test(error.message);
    const device = { provider: 'webpush', platform: 'web', token: subscription('x') };
    await assert.rejects(
      bench.call('device_register', { ...device, app: 'store' }),
      refused(/app: must be one of shop .*, or absent for the default app, got "store"/),
    );
    await assert.rejects(
      bench.call('device_register', { ...device, provider: 'fcm', app: 'shop' }),
      refused(/provider: provider fcm is not enabled in the app shop; enabled: webpush/),
    );
    await assert.rejects(
      bench.call('send_push_notification', {
        app: 'store',
        recipient: { filter: { users: ['ann'] } },
        notification: { webpush: { payload: {} } },
      }),
      refused(/app: must be one of shop/),
    );
    await assert.rejects(
      bench.ring({ users: ['ann'], apps: ['shop'] }),
      refused(/recipient\.filter\.apps: must be absent/),
    );
  });
});
