import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { UnavailableError } from '../../src/errors.ts';
import { joinedCalls } from '../../src/push/queue/joined-calls.ts';
import type { FanoutPayload, Job, PushQueue } from '../../src/push/queue/queue.ts';
import type { StoredPush } from '../../src/push/queue/stored-push.ts';
import { type FanoutOptions, fanOut } from '../../src/push/worker/fanout.ts';
import { keepTrying } from '../../src/push/worker/keep-trying.ts';
import { LaneRunner } from '../../src/push/worker/lane-runner.ts';
import { takeNotes } from '../../src/push/worker/notes.ts';
import { PushCache } from '../../src/push/worker/push-cache.ts';
import { silent } from '../support/realtime.ts';

const PUSH: StoredPush = {
  uid: 'u',
  analyticsUid: 'u',
  recipientType: 'filter',
  filter: { users: ['many'] },
  messages: { webpush: { payload: {} } },
  acceptedAt: 1,
  sendAt: 0,
  expireAt: 0,
  rendering: null,
  limits: null,
};
const JOB: Job<FanoutPayload> = {
  id: '1',
  lane: 'fanout',
  uid: 'u',
  attempt: 1,
  payload: { cursor: '' },
  settled: [],
  cancelled: false,
};

/** A fan-out over pages of two that never end; `onPage` is told of each page that is asked for. */
function endlessFanout(queue: Partial<PushQueue>, onPage: (page: number) => void): FanoutOptions {
  let pages = 0;
  return {
    devices: {
      query: async <Row>() => {
        onPage(++pages);
        return [1, 2].map((n) => ({ id: `webpush-${pages}${n}`, provider: 'webpush' })) as Row[];
      },
    },
    queue: queue as PushQueue,
    pageSize: 2,
    batchSize: () => 100,
    hasRoomFor: () => false,
    adopt: () => {},
    onDropped: () => {},
  } as unknown as FanoutOptions;
}

test('a fan-out ends between two pages when its push is cancelled', async () => {
  const finished: unknown[] = [];
  let pages = 0;
  const queue: Partial<PushQueue> = {
    advance: async () => pages === 3,
    finish: async (_job, ending) => {
      finished.push(ending);
      return [];
    },
  };
  const found = await fanOut(
    endlessFanout(queue, (page) => {
      pages = page;
    }),
    JOB,
    PUSH,
  );
  assert.deepEqual(found, { devices: 6, dropped: 0, ended: 'cancelled' });
  assert.equal(pages, 3);
  assert.equal(finished.length, 1);
});

test('a fan-out looks at expire_at before each page', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000 });
  const finished: unknown[] = [];
  const queue: Partial<PushQueue> = {
    advance: async () => false,
    finish: async (_job, ending) => {
      finished.push(ending);
      return [];
    },
  };
  const options = endlessFanout(queue, (page) => {
    if (page === 2) t.mock.timers.tick(1_000);
  });
  const found = await fanOut(options, JOB, { ...PUSH, expireAt: 2_000 });
  assert.deepEqual(found, { devices: 4, dropped: 0, ended: 'expired' });
  assert.deepEqual(finished, [{ expired: true }]);
});

test('a job that a worker gets again while it has it under way is not run a second time', async () => {
  const job = { ...JOB, lane: 'webpush' } as Job;
  const runs: string[] = [];
  let end = () => {};
  let taken = 0;
  const runner = new LaneRunner({
    lane: 'webpush',
    concurrency: 5,
    queue: {
      take: async () => {
        taken += 1;
        return taken <= 2 ? [job] : [];
      },
      nextReadyIn: async () => undefined,
    } as unknown as PushQueue,
    logger: silent,
    run: (one) => {
      runs.push(one.id);
      return new Promise((resolve) => {
        end = resolve;
      });
    },
  });
  runner.wake();
  while (taken < 1 || runner.runningIds.length === 0) await delay(1);
  while (taken < 2) {
    runner.wake();
    await delay(1);
  }
  assert.deepEqual(runs, ['1']);
  end();
  await runner.stop(1_000);
});

test('what could not be noted is noted when the queue is back, once each', async () => {
  const noted: number[] = [];
  let away = true;
  const notes = takeNotes(async (indexes) => {
    if (away) throw new UnavailableError('Redis', new Error('gone'));
    noted.push(...indexes);
  });
  notes.add(0);
  notes.add(1);
  await delay(40);
  notes.add(2);
  away = false;
  while (noted.length < 3) await delay(5);
  assert.deepEqual(noted, [0, 1, 2]);
  notes.add(3);
  await notes.flush();
  assert.deepEqual(noted, [0, 1, 2, 3]);
  notes.add(4);
  await notes.stop();
  await delay(30);
  assert.deepEqual(noted, [0, 1, 2, 3]);
});

test('a step is tried as long as it takes, until the worker stops', async () => {
  const stop = new AbortController();
  let tries = 0;
  const away = () => {
    tries += 1;
    if (tries === 3) stop.abort();
    return Promise.reject(new UnavailableError('PostgreSQL', new Error('gone')));
  };
  await assert.rejects(keepTrying(away, stop.signal), UnavailableError);
  assert.equal(tries, 3);
  await assert.rejects(
    keepTrying(() => Promise.reject(new Error('wrong')), new AbortController().signal),
    /wrong/,
  );
});

test('a push is loaded once for its many jobs, anew after a minute, and what is unknown each time', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  let loads = 0;
  const cache = new PushCache(async (uid) => {
    loads += 1;
    if (uid === 'broken') throw new Error('no queue');
    return uid === 'known' ? { ...PUSH, acceptedAt: loads } : undefined;
  });
  assert.equal((await cache.load('known'))?.acceptedAt, 1);
  assert.equal((await cache.load('known'))?.acceptedAt, 1);
  now = 60_001;
  assert.equal((await cache.load('known'))?.acceptedAt, 2, 'another push may have its uid by now');
  assert.equal(await cache.load('unknown'), undefined);
  assert.equal(await cache.load('unknown'), undefined);
  await assert.rejects(cache.load('broken'));
  await assert.rejects(cache.load('broken'));
  assert.equal(loads, 6);
});

test('calls that come while one is under way are carried out together, and a failure is told to those it concerns', async () => {
  const runs: { items: readonly number[]; end: PromiseWithResolvers<void> }[] = [];
  const call = joinedCalls<number>((items) => {
    const end = Promise.withResolvers<void>();
    runs.push({ items, end });
    return end.promise;
  });
  const first = call(1);
  await Promise.resolve();
  const [second, third] = [call(2), call(3)];
  assert.deepEqual(
    runs.map(({ items }) => items),
    [[1]],
    'the first waits for nobody',
  );
  runs[0]?.end.reject(new Error('away'));
  await assert.rejects(first, /away/);
  await delay(0);
  runs[1]?.end.resolve();
  await Promise.all([second, third]);
  assert.deepEqual(runs[1]?.items, [2, 3]);
  const fourth = call(4);
  await delay(0);
  runs[2]?.end.resolve();
  await fourth;
  assert.deepEqual(runs[2]?.items, [4]);
});
