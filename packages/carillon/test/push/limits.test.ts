import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { eachPush, openPushBench, type PushBench, type PushPlace } from '../support/push.ts';

eachPush('limits', (open) => {
  let database: PushPlace;
  let bench: PushBench;
  before(async () => {
    database = await open();
    bench = await openPushBench(database.db, { queue: database.queue });
  });
  after(async () => {
    await bench?.close();
    await database?.drop();
  });
  beforeEach(() => {
    bench.senders.rung.length = 0;
  });
  const rung = () => [...bench.senders.rung].sort();
  const statusOf = async (uid: string) =>
    (
      await bench.call<{ items: { device_id: string; status: string; code?: string }[] }>('push_status', {
        uid,
      })
    ).items;
  const rate = (policies: [number, number][], extra = {}) => ({
    limit_strategy: {
      rate_limit: { policies: policies.map(([rate, interval_ms]) => ({ rate, interval_ms })), ...extra },
    },
  });
  test('what exceeds the rate is dropped if so wished, and its status says why', async () => {
    await bench.register('drop1', 'dan');
    const limit = rate([[1, 60_000]], { drop_if_rate_limited: true });
    await bench.ring({ users: ['dan'] }, limit);
    await bench.untilIdle();
    const uid = await bench.ring({ users: ['dan'] }, limit);
    await bench.untilIdle();
    assert.deepEqual(rung(), ['drop1']);
    const [item] = await statusOf(uid);
    assert.equal(item?.status, 'dropped');
    assert.equal(item?.code, 'rate_limited');
  });

  test('else it is sent when a slot frees, each device for itself', async () => {
    await bench.register('later1', 'lea');
    await bench.register('later2', 'lea');
    const limit = rate([[1, 300]]);
    const started = performance.now();
    await bench.ring({ users: ['lea'] }, limit);
    await bench.senders.untilRung(2);
    await bench.ring({ users: ['lea'] }, limit);
    await bench.senders.untilRung(4);
    assert.ok(performance.now() - started >= 300);
    assert.deepEqual(rung(), ['later1', 'later1', 'later2', 'later2']);
    await bench.untilIdle();
  });

  test('a key without a variable is one bucket for all, one with device.user is one for each user', async () => {
    for (const [name, user] of [
      ['k1', 'kat'],
      ['k2', 'kat'],
      ['k3', 'kit'],
    ] as const) {
      await bench.register(name, user, { topics: ['keys'] });
    }
    const drop = { drop_if_rate_limited: true };
    await bench.ring({ topics: ['keys'] }, rate([[1, 60_000]], { key: 'by-user-{{.device.user}}', ...drop }));
    await bench.untilIdle();
    assert.equal(rung().length, 2);
    bench.senders.rung.length = 0;
    await bench.ring({ topics: ['keys'] }, rate([[2, 60_000]], { key: 'for-all', ...drop }));
    await bench.untilIdle();
    assert.equal(rung().length, 2);
  });

  test('a slot is reserved once, however often its page is repeated after a crash', async () => {
    const id = await bench.register('again', 'ada');
    const limits = { rate: { key: '', policies: [{ rate: 1, intervalMs: 60_000 }], drop: true }, time: null };
    const { planPage } = await import('../../src/push/worker/limiter.ts');
    const push = { uid: 'repeated', limits, expireAt: 0 };
    const device = { id, user: 'ada', timezone: '' };
    const first = await planPage(database.db, push, [device], Date.now());
    const second = await planPage(database.db, push, [device], Date.now() + 5);
    assert.ok('at' in (first[0] as object));
    assert.deepEqual(
      second,
      first.map((verdict) => ('at' in verdict ? { at: Math.floor(verdict.at) } : verdict)),
    );
    const other = await planPage(database.db, { ...push, uid: 'another' }, [device], Date.now());
    assert.equal((other[0] as { drop?: string }).drop, 'rate_limited');
  });

  test('two pages that ask at once never give out more than the policies allow', async () => {
    const { planPage } = await import('../../src/push/worker/limiter.ts');
    const limits = {
      rate: { key: 'shared', policies: [{ rate: 3, intervalMs: 60_000 }], drop: true },
      time: null,
    };
    const devices = (page: number) =>
      Array.from({ length: 5 }, (_, n) => ({ id: `webpush-${page}-${n}`, user: '', timezone: '' }));
    const verdicts = await Promise.all(
      [1, 2, 3].map((page) =>
        planPage(database.db, { uid: `page-${page}`, limits, expireAt: 0 }, devices(page), Date.now()),
      ),
    );
    assert.equal(verdicts.flat().filter((verdict) => 'at' in verdict).length, 3);
  });

  test('a time window: now where it is open, later where it is closed, never without a zone unless asked for', async () => {
    const hour = new Date().getUTCHours();
    const clock = (offset: number) => `${String((hour + offset + 24) % 24).padStart(2, '0')}:00:00`;
    const open = await bench.register('open', 'tim', { timezone: 'UTC' });
    const closed = await bench.register('closed', 'tim', { timezone: 'Etc/GMT-12' });
    const nowhere = await bench.register('nowhere', 'tim');
    const time_limit = { send_after_time: clock(-1), send_before_time: clock(2) };
    const uid = await bench.ring({ users: ['tim'] }, { limit_strategy: { time_limit } });
    await bench.senders.untilRung(1);
    await bench.untilWorkersIdle();
    assert.deepEqual(rung(), ['open']);
    const items = Object.fromEntries((await statusOf(uid)).map((item) => [item.device_id, item]));
    assert.equal(items[open]?.status, 'accepted');
    assert.equal(items[nowhere]?.code, 'no_timezone');
    assert.equal(items[closed], undefined);
    const hoursToGo = async () => ((await bench.push.queue.nextReadyIn('webpush')) ?? 0) / 3_600_000;
    const hours = await hoursToGo();
    assert.ok(hours > 8 && hours < 13, `waits ${hours} hours`);
    await database.letTimePass('webpush');
    await bench.untilWorkersIdle();
    assert.ok((await hoursToGo()) > 8, 'a job that comes outside the window waits for the next opening');
    await bench.call('cancel_push', { uid });
    const after = Object.fromEntries((await statusOf(uid)).map((item) => [item.device_id, item.status]));
    assert.equal(after[closed], 'cancelled');
    bench.senders.rung.length = 0;
    await bench.ring(
      { ids: [nowhere] },
      { limit_strategy: { time_limit: { ...time_limit, no_tz_send_now: true } } },
    );
    await bench.untilIdle();
    assert.deepEqual(rung(), ['nowhere']);
  });

  test('a limit that allows it only after expire_at drops the push as expired', async () => {
    await bench.register('late', 'lou');
    const limit = rate([[1, 3_600_000]]);
    await bench.ring({ users: ['lou'] }, limit);
    await bench.untilIdle();
    const expire_at = Math.floor(Date.now() / 1000) + 60;
    const uid = await bench.ring(
      { users: ['lou'] },
      { ...limit, notification: { webpush: { payload: {} }, expire_at } },
    );
    await bench.untilIdle();
    assert.deepEqual(rung(), ['late']);
    const [item] = await statusOf(uid);
    assert.equal(item?.status, 'expired');
  });
});
