import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { eachPush, openPushBench, type PushBench, type PushPlace } from '../support/push.ts';

const LEASE_MS = 150;

interface Report {
  readonly state: string;
  readonly items: { readonly status: string; readonly code?: string; readonly reason?: string }[];
  readonly dead_letters?: {
    readonly device_id?: string;
    readonly code: string;
    readonly reason: string;
  }[];
}

eachPush('faults of our own', (open) => {
  let place: PushPlace;
  let bench: PushBench;
  before(async () => {
    place = await open();
    bench = await openPushBench(place.db, { queue: place.queue, leaseMs: LEASE_MS });
  });
  after(async () => {
    await bench?.close();
    await place?.drop();
  });
  beforeEach(() => {
    bench.senders.rung.length = 0;
    bench.senders.answer = () => ({ kind: 'accepted', code: 'accepted' });
  });
  const report = (uid: string) => bench.call<Report & Record<string, unknown>>('push_status', { uid });

  test('whatever characters a push service answers with, its answer is kept and the push ends', async () => {
    await bench.register('odd', 'ola');
    bench.senders.answer = () => ({
      kind: 'failed',
      code: 'forbidden\0',
      reason: `no\0 entry ${'x'.repeat(990)}🔔`,
      id: 'a\ud800',
    });
    const uid = await bench.ring({ users: ['ola'] });
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung, ['odd'], 'it is rung once');
    const { state, items, dead_letters } = await report(uid);
    assert.equal(state, 'done');
    assert.deepEqual([items[0]?.status, items[0]?.code], ['failed', 'forbidden']);
    assert.match(dead_letters?.[0]?.reason ?? '', /^no entry x+\ufffd$/);
  });

  test('what was noted twice does no harm', async () => {
    await bench.register('twice', 'tia');
    const { queue } = bench.push;
    const mark = queue.markSettled;
    let marked = () => {};
    const isMarked = new Promise<void>((resolve) => {
      marked = resolve;
    });
    // As if the answer to the first of two notes had been lost: the worker notes the same again.
    queue.markSettled = async (job, indexes) => {
      await mark.call(queue, job, indexes);
      await mark.call(queue, job, indexes);
      marked();
    };
    let end = () => {};
    await bench.register('slow', 'tia');
    bench.senders.answer = async (name, attempt) => {
      if (name === 'slow' && attempt === 1) {
        await new Promise<void>((resolve) => {
          end = resolve;
        });
        throw new Error('the run ends here, and another takes up what it noted');
      }
      return { kind: 'accepted', code: 'accepted' };
    };
    const uid = await bench.ring({ users: ['tia'] });
    await isMarked;
    end();
    await bench.untilIdle();
    queue.markSettled = mark;
    assert.deepEqual(bench.senders.rung.toSorted(), ['slow', 'slow', 'twice']);
    const { items } = await report(uid);
    assert.deepEqual(
      items.map(({ status }) => status),
      ['accepted', 'accepted'],
    );
  });

  test('a job that fails for a reason of our own is given up after a few runs, and says so', async () => {
    const id = await bench.register('cursed', 'cam');
    const send = bench.senders.send;
    let runs = 0;
    bench.senders.send = async () => {
      runs += 1;
      throw new TypeError('a mistake of ours: https://secret');
    };
    const uid = await bench.ring({ users: ['cam'] });
    await bench.untilIdle();
    bench.senders.send = send;
    assert.equal(runs, 5);
    const { state, items, dead_letters } = await report(uid);
    assert.deepEqual([state, items[0]?.status, items[0]?.code], ['done', 'failed', 'internal_error']);
    assert.equal(dead_letters?.[0]?.device_id, id);
    assert.match(dead_letters?.[0]?.reason ?? '', /its log says why/);
  });

  test('a push whose time is over when it comes is accepted, sent to nobody, and says that it expired', async () => {
    await bench.register('tardy', 'tom');
    const uid = await bench.ring(
      { users: ['tom'] },
      { notification: { webpush: { payload: {} }, expire_at: Math.floor(Date.now() / 1000) - 60 } },
    );
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung, []);
    assert.equal((await report(uid)).state, 'expired');
  });

  test('half a surrogate pair is refused by name, not with an error of the database', async () => {
    const notification = { webpush: { payload: { text: 'fine: \ud83d' } } };
    await assert.rejects(
      bench.ring({ users: ['x'] }, { uid: 'half-\ud83d', notification }),
      (error: Error & { code?: number }) => error.code === 107 && /uid: must be Unicode/.test(error.message),
    );
    await bench.register('half', 'hal');
    await bench.ring({ users: ['hal'] }, { notification });
    await bench.untilIdle();
    assert.deepEqual(bench.senders.rung, ['half'], 'a payload is the caller’s own JSON');
  });
});
