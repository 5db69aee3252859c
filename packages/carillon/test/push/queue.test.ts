import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { type Job, LeaseLostError, type NewJob, type PushQueue } from '../../src/push/queue/queue.ts';
import type { StoredPush } from '../../src/push/queue/stored-push.ts';
import { eachQueue, type QueuePlace } from '../support/queue.ts';

const LEASE_MS = 150;

function push(uid: string, extra: Partial<StoredPush> = {}): StoredPush {
  return {
    uid,
    analyticsUid: uid,
    recipientType: 'filter',
    filter: { users: ['ann'] },
    messages: { webpush: { payload: { text: 'Grüße 🔔 \u0000' } } },
    acceptedAt: 1,
    sendAt: 0,
    expireAt: 0,
    rendering: null,
    limits: null,
    ...extra,
  };
}

function send(uid: string, devices: readonly string[], extra: Partial<NewJob> = {}): NewJob {
  return { lane: 'webpush', uid, payload: { devices }, ...extra };
}

eachQueue('the push queue', (openPlace) => {
  let place: QueuePlace;
  let queue: PushQueue;
  let other: PushQueue;
  before(async () => {
    place = await openPlace();
  });
  after(() => place?.drop());
  const uid = 'push-1';
  beforeEach(async () => {
    queue = await place.open(LEASE_MS);
    other = await place.open(LEASE_MS);
  });
  afterEach(async () => {
    await queue.close();
    await other.close();
    await place.clear();
  });

  const take = (from: PushQueue) => from.take('webpush', 10);
  /** Asks until so many jobs came, as a worker would: after as long as the queue says. */
  async function takeWhenReady(from: PushQueue, wanted: number): Promise<Job[]> {
    const jobs: Job[] = [];
    for (;;) {
      jobs.push(...(await from.take('webpush', 100)));
      if (jobs.length >= wanted) return jobs;
      const next = (await from.nextReadyIn('webpush')) ?? 0;
      await new Promise((resolve) => setTimeout(resolve, Math.min(next, 1_000) + 1));
    }
  }

  test('a push is accepted once with its jobs, also when it comes many times at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => (n % 2 ? queue : other).accept(push(uid), [send(uid, ['d1'])])),
    );
    assert.equal(answers.filter(Boolean).length, 1);
    assert.equal(await queue.pending(uid), 1);
    assert.equal((await take(queue)).length, 1);
  });

  test('a push is read as it was stored, whatever characters it has', async () => {
    await queue.accept(push(uid), [send(uid, ['d1'])]);
    assert.deepEqual(await other.load(uid), { push: push(uid), cancelled: false, expired: false });
    assert.equal(await queue.load('unheard-of'), undefined);
  });

  test('jobs are taken oldest first, up to the limit, each by one worker', async () => {
    await queue.accept(
      push(uid),
      ['a', 'b', 'c', 'd'].map((device) => send(uid, [device])),
    );
    const [first, second] = await Promise.all([queue.take('webpush', 2), other.take('webpush', 5)]);
    const devices = [...first, ...second].map((job) =>
      'devices' in job.payload ? job.payload.devices[0] : '',
    );
    assert.deepEqual(devices.toSorted(), ['a', 'b', 'c', 'd']);
    assert.ok(first.length <= 2);
    assert.deepEqual(await queue.take('webpush', 5), []);
    const [job] = [...first, ...second];
    assert.equal(job?.attempt, 1);
    assert.deepEqual(job?.settled, []);
    assert.equal(job?.cancelled, false);
  });

  test('lanes are apart', async () => {
    await queue.accept(push(uid), [send(uid, ['x'], { lane: 'apns' }), send(uid, ['y'])]);
    const jobs = await take(queue);
    assert.deepEqual(
      jobs.map((job) => job.payload),
      [{ devices: ['y'] }],
    );
    for (const job of await queue.take('apns', 5)) await queue.finish(job);
  });

  test('a payload of raw targets, and one without any, come back as they were', async () => {
    const targets = [
      { token: 'https://a', keys: { p256dh: 'p', auth: 'a' } },
      { token: 'news', kind: 'topic' as const },
    ];
    await queue.accept(push(uid), [
      { lane: 'webpush', uid, payload: { targets } },
      { lane: 'webpush', uid, payload: { devices: [] } },
    ]);
    const jobs = await take(queue);
    assert.deepEqual(
      jobs.map((job) => job.payload),
      [{ targets }, { devices: [] }],
    );
  });

  test('a worker that gives no sign of life is taken over within the lease, with what it noted', async () => {
    await queue.accept(push(uid), [send(uid, ['a', 'b', 'c', 'd'])]);
    const [job] = await take(queue);
    await queue.markSettled(job as Job, [0, 2]);
    await queue.markSettled(job as Job, [3]);
    const started = performance.now();
    const [again] = await takeWhenReady(other, 1);
    // A Redis that has started a moment ago gives its workers time to renew, and tells its age in whole seconds.
    assert.ok(performance.now() - started < (queue.kind === 'redis' ? 2_000 : 5 * LEASE_MS));
    assert.equal(again?.id, job?.id);
    assert.deepEqual(again?.settled, [0, 2, 3]);
    assert.equal(again?.attempt, 1);
  });

  test('what is noted of several jobs at once is noted on each, and of a job that is lost on none', async () => {
    await queue.accept(push(uid), [send(uid, ['a', 'b', 'c']), send(uid, ['d', 'e']), send(uid, ['f'])]);
    const [first, second, third] = (await take(queue)) as [Job, Job, Job];
    await Promise.all([
      queue.markSettled(first, [2]),
      queue.markSettled(second, [0]),
      queue.markSettled(first, [0, 1]),
      other.markSettled(third, [0]),
    ]);
    const again = await takeWhenReady(other, 3);
    assert.deepEqual(
      again.map(({ settled }) => settled),
      [[2, 0, 1], [0], []],
    );
  });

  test('a lease that is renewed stays', async () => {
    await queue.accept(push(uid), [send(uid, ['a'])]);
    const [job] = await take(queue);
    for (let turn = 0; turn < 6; turn++) {
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS / 3));
      await queue.renew([(job as Job).id]);
      assert.deepEqual(await other.take('webpush', 1), []);
    }
    await queue.finish(job as Job);
  });

  test('who lost the lease can neither go on nor end the job, and adds nothing', async () => {
    await queue.accept(push(uid), [send(uid, ['a', 'b'])]);
    const [job] = (await take(queue)) as [Job];
    const [taken] = (await takeWhenReady(other, 1)) as [Job];
    await queue.markSettled(job, [0]);
    await queue.renew([job.id]);
    await assert.rejects(queue.finish(job, { next: [send(uid, ['late'])] }), LeaseLostError);
    await assert.rejects(queue.advance(job, 'cursor', [send(uid, ['late'])]), LeaseLostError);
    assert.equal(await queue.pending(uid), 1);
    await queue.giveBack([job.id]);
    assert.deepEqual(await queue.take('webpush', 1), [], 'it cannot give back what it has not');
    await other.finish(taken);
    assert.equal(await queue.pending(uid), 0);
    await assert.rejects(other.finish(taken), LeaseLostError);
  });

  test('a job ends together with those that follow from it', async () => {
    await queue.accept(push(uid), [send(uid, ['a', 'b'])]);
    const [job] = (await take(queue)) as [Job];
    await queue.finish(job, {
      next: [send(uid, ['b'], { attempt: 2 })],
      dead: [{ provider: 'webpush', recipient: 'a', code: 'forbidden', reason: 'wrong key' }],
    });
    const [next] = await take(queue);
    assert.deepEqual(next?.payload, { devices: ['b'] });
    assert.equal(next?.attempt, 2);
    assert.notEqual(next?.id, job.id);
  });

  test('jobs that follow can start as leased, where the engine can: then nobody else gets them', async () => {
    await queue.accept(push(uid), [{ lane: 'fanout', uid, payload: { cursor: '' } }]);
    const [job] = (await queue.take('fanout', 1)) as [Job];
    const own = await queue.finish(job, { next: [send(uid, ['a'])], lease: true });
    const taken = await other.take('webpush', 5);
    assert.equal(own.length + taken.length, 1);
    for (const mine of own) {
      assert.deepEqual(mine.payload, { devices: ['a'] });
      assert.equal(mine.cancelled, false);
      await queue.finish(mine);
    }
  });

  test('who goes on with a push that was cancelled meanwhile is told', async () => {
    await queue.accept(push(uid), [{ lane: 'fanout', uid, payload: { cursor: '' } }]);
    const [job] = (await queue.take('fanout', 1)) as [Job];
    assert.equal(await queue.advance(job, 'device-1', [send(uid, ['a'])]), false);
    await other.cancel(uid);
    assert.equal(await queue.advance(job, 'device-2', [send(uid, ['b'])]), true);
    const own = await queue.finish(job, { next: [send(uid, ['c'])], lease: true });
    const taken = await other.take('webpush', 5);
    assert.equal(own.length + taken.length, 2, 'the first of the three was taken back');
    assert.ok([...own, ...taken].every(({ cancelled }) => cancelled));
  });

  test('a job that ends because its push’s time is over leaves a mark', async () => {
    await queue.accept(push(uid), [send(uid, ['a'])]);
    const [job] = (await take(queue)) as [Job];
    await queue.finish(job, { expired: true });
    assert.equal((await other.load(uid))?.expired, true);
  });

  test('a delayed job comes when it is due, and not before', async () => {
    await queue.accept(push(uid), [send(uid, ['later'], { delayMs: 250 })]);
    const started = performance.now();
    assert.deepEqual(await take(queue), []);
    const next = await queue.nextReadyIn('webpush');
    assert.ok(next !== undefined && next > 100 && next <= 250, `next in ${next}`);
    assert.equal((await takeWhenReady(queue, 1)).length, 1);
    assert.ok(performance.now() - started >= 245);
  });

  test('an empty lane has no next job, a lane with a ready one has it now', async () => {
    assert.equal(await queue.nextReadyIn('hms'), undefined);
    await queue.accept(push(uid), [send(uid, ['a'])]);
    assert.equal(await queue.nextReadyIn('webpush'), 0);
  });

  test('a page moves the cursor and adds its jobs in one step', async () => {
    await queue.accept(push(uid), [{ lane: 'fanout', uid, payload: { cursor: '' } }]);
    const [job] = (await queue.take('fanout', 1)) as [Job];
    await queue.advance(job, 'device-1000', [send(uid, ['a']), send(uid, ['b'])]);
    assert.equal((await take(queue)).length, 2);
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS + 20));
    const [again] = (await other.take('fanout', 1)) as [Job];
    assert.deepEqual(again.payload, { cursor: 'device-1000' });
    await other.finish(again);
  });

  test('cancelling takes back what nobody has, and says of the rest that it is cancelled', async () => {
    await queue.accept(push(uid), [send(uid, ['leased'])]);
    const [leased] = (await take(queue)) as [Job];
    await queue.advance(leased, '', [send(uid, ['waiting']), send(uid, ['delayed'], { delayMs: 60_000 })]);
    const removed = await other.cancel(uid);
    const devices = removed.map((job) => ('devices' in job.payload ? job.payload.devices[0] : ''));
    assert.deepEqual(devices.toSorted(), ['delayed', 'waiting']);
    assert.equal(await queue.pending(uid), 1);
    assert.equal((await queue.load(uid))?.cancelled, true);
    const [again] = await takeWhenReady(other, 1);
    assert.equal(again?.cancelled, true);
    assert.deepEqual(await queue.cancel('unheard-of'), []);
  });

  test('what a stopping worker gives back is another’s at once', async () => {
    await queue.accept(push(uid), [send(uid, ['a'])]);
    const [job] = (await take(queue)) as [Job];
    const woken = new Promise((resolve) => {
      void other.onReady(resolve).then(async () => {
        await queue.giveBack([job.id]);
      });
    });
    assert.equal(await woken, 'webpush');
    assert.equal((await take(other)).length, 1);
  });

  test('whoever listens hears of lanes that get jobs, and no more once it stops', async () => {
    const heard: (string | undefined)[] = [];
    let resolveNext = () => {};
    const stop = await other.onReady((lane) => {
      heard.push(lane);
      resolveNext();
    });
    const next = () =>
      new Promise<void>((resolve) => {
        resolveNext = resolve;
      });
    let waiting = next();
    await queue.accept(push(uid), [{ lane: 'fanout', uid, payload: { cursor: '' } }]);
    await waiting;
    const [job] = (await queue.take('fanout', 1)) as [Job];
    waiting = next();
    await queue.finish(job, { next: [send(uid, ['a'])] });
    await waiting;
    await stop();
    const before = heard.length;
    await queue.accept(push(`${uid}-b`), [send(`${uid}-b`, ['b'])]);
    assert.equal((await takeWhenReady(queue, 2)).length, 2);
    assert.deepEqual([...new Set(heard)], ['fanout', 'webpush']);
    assert.equal(heard.length, before);
  });

  test('the depth of a lane tells ready, delayed, and how long the oldest waits', async () => {
    await queue.accept(push(uid), [
      send(uid, ['a'], { lane: 'hms' }),
      send(uid, ['b'], { lane: 'hms' }),
      send(uid, ['c'], { lane: 'hms', delayMs: 60_000 }),
    ]);
    const [job] = (await queue.take('hms', 1)) as [Job];
    await new Promise((resolve) => setTimeout(resolve, 30));
    const depth = (await queue.depth()).get('hms');
    assert.equal(depth?.ready, 2, 'the leased one included');
    assert.equal(depth?.leased, 1);
    assert.equal(depth?.delayed, 1);
    assert.ok((depth?.lagMs ?? 0) >= 20);
    for (const one of [job, ...(await queue.take('hms', 5))]) await queue.finish(one);
    await queue.cancel(uid);
    assert.equal((await queue.depth()).get('hms'), undefined);
  });

  test('what was accepted is there for whoever opens the queue later', async () => {
    await queue.accept(push(uid), [send(uid, ['kept'])]);
    const later = await place.open(LEASE_MS);
    const [job] = (await later.take('webpush', 1)) as [Job];
    assert.deepEqual(job.payload, { devices: ['kept'] });
    await later.finish(job);
    assert.equal(await later.accept(push(uid), [send(uid, ['again'])]), false, 'its uid is remembered');
    await later.purge();
    assert.equal(await later.accept(push(uid), [send(uid, ['again'])]), false, 'a day long');
    await later.close();
  });

  test('an engine that answers resolves a ping', () => queue.ping());
});
