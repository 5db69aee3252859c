import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eachPush, openPushBench, type PushBench, type PushPlace } from '../../support/push.ts';

eachPush('a device that is called dead since a time', (open) => {
  let place: PushPlace;
  let bench: PushBench;
  before(async () => {
    place = await open();
    bench = await openPushBench(place.db, { queue: place.queue });
  });
  after(async () => {
    await bench?.close();
    await place?.drop();
  });

  test('stays when it has registered after that, and goes when it has not', async () => {
    const alive = await bench.register('alive', 'ann');
    const dead = await bench.register('dead', 'ann');
    bench.senders.answer = (name) => ({
      kind: 'gone',
      code: 'unregistered',
      goneSince: Date.now() + (name === 'alive' ? -60_000 : 60_000),
    });
    await bench.ring({ users: ['ann'] });
    await bench.untilIdle();
    const { items } = await bench.call<{ items: { id: string }[] }>('device_list', {
      filter: { ids: [alive, dead] },
    });
    assert.deepEqual(
      items.map(({ id }) => id),
      [alive],
    );
  });
});
