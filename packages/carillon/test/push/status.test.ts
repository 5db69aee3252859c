import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { memoryDatabase } from '../support/database.ts';
import { eachPush, openPushBench, type PushBench, type PushPlace, subscription } from '../support/push.ts';

interface Report {
  uid: string;
  analytics_uid: string;
  state?: string;
  send_at?: number;
  counts: Record<string, number>;
  sample_rate: number;
  items: {
    uid: string;
    device_id?: string;
    recipient?: string;
    provider: string;
    status: string;
    code?: string;
    reason?: string;
    msg_id?: string;
    attempts?: number;
    delivered_at?: number;
    interacted_at?: number;
  }[];
  next_cursor?: string;
  dead_letters: { device_id?: string; code: string; reason: string; attempts: number }[];
}

eachPush('statuses', (open) => {
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
    bench.senders.answer = () => ({ kind: 'accepted', code: 'accepted', id: 'message-1' });
  });
  const status = (request: object) => bench.call<Report>('push_status', request);
  const code = (expected: number) => (error: { code?: number }) => error.code === expected;

  test('each device has its own: accepted with the service’s id, failed with the reason, retried until given up', async () => {
    const ok = await bench.register('ok', 'una');
    const bad = await bench.register('bad', 'una');
    const gone = await bench.register('gone', 'una');
    const tired = await bench.register('tired', 'una');
    bench.senders.answer = (name) => {
      if (name === 'bad') return { kind: 'failed', code: 'forbidden', reason: 'wrong key' };
      if (name === 'gone') return { kind: 'gone', code: 'unregistered' };
      if (name === 'tired') return { kind: 'retry', code: 'unavailable', reason: 'HTTP 503' };
      return { kind: 'accepted', code: 'accepted', id: 'message-1' };
    };
    const uid = await bench.ring({ users: ['una'] });
    await bench.untilIdle();
    const report = await status({ uid });
    assert.equal(report.state, 'done');
    assert.equal(report.analytics_uid, uid);
    assert.deepEqual(report.counts, { accepted: 1, failed: 3 });
    const by = Object.fromEntries(report.items.map((item) => [item.device_id, item]));
    assert.equal(by[ok]?.status, 'accepted');
    assert.equal(by[ok]?.msg_id, 'message-1');
    assert.equal(by[ok]?.attempts, 1);
    assert.equal(by[bad]?.reason, 'wrong key');
    assert.equal(by[gone]?.code, 'unregistered');
    assert.equal(by[tired]?.code, 'unavailable');
    assert.equal(by[tired]?.attempts, 4);
    const letters = report.dead_letters.toSorted((a, b) => a.code.localeCompare(b.code));
    assert.deepEqual(letters, [
      { provider: 'webpush', device_id: bad, code: 'forbidden', reason: 'wrong key', attempts: 1 },
      {
        provider: 'webpush',
        device_id: tired,
        code: 'unavailable',
        reason: 'gave up: HTTP 503',
        attempts: 4,
      },
    ]);
  });

  test('pages by cursor, filtered by status, show each device once', async () => {
    for (let n = 0; n < 7; n++) await bench.register(`page${n}`, 'pia');
    const uid = await bench.ring({ users: ['pia'] });
    await bench.untilIdle();
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await status({ uid, limit: 3, cursor, statuses: ['accepted'] });
      assert.ok(page.items.length <= 3);
      seen.push(...page.items.map((item) => item.device_id as string));
      cursor = page.next_cursor ?? '';
    } while (cursor);
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen).size, 7);
    assert.deepEqual((await status({ uid, statuses: ['failed'] })).items, []);
    await assert.rejects(status({ uid, cursor: 'nonsense' }), /cursor: must be a next_cursor/);
    await assert.rejects(
      status({ uid, statuses: ['lost'] }),
      /statuses\[0\]: must be one of dropped, .*got "lost"/,
    );
  });

  test('an app’s report moves a device up and never down, and an early one is kept', async () => {
    const id = await bench.register('app', 'app');
    const uid = await bench.ring({ users: ['app'] });
    await bench.untilIdle();
    const report = (state: string) =>
      bench.call('update_push_status', {
        analytics_uid: uid,
        device_id: id,
        status: state,
        msg_id: 'from-app',
      });
    await report('interacted');
    await report('delivered');
    const [item] = (await status({ uid })).items;
    assert.equal(item?.status, 'interacted');
    assert.ok(item?.delivered_at && item.interacted_at);
    assert.equal(item?.msg_id, 'from-app');

    const early = { analytics_uid: 'early', device_id: id, status: 'delivered' };
    await bench.call('update_push_status', early);
    await bench.ring({ users: ['app'] }, { uid: 'early' });
    await bench.untilIdle();
    assert.deepEqual((await status({ uid: 'early' })).counts, { delivered: 1 });
  });

  test('an analytics_uid gathers the pushes of a campaign', async () => {
    const id = await bench.register('camp', 'cam');
    await bench.ring({ users: ['cam'] }, { uid: 'camp-1', analytics_uid: 'campaign' });
    await bench.ring({ users: ['cam'] }, { uid: 'camp-2', analytics_uid: 'campaign' });
    await bench.untilIdle();
    await bench.call('update_push_status', { analytics_uid: 'campaign', device_id: id, status: 'delivered' });
    const report = await status({ analytics_uid: 'campaign' });
    assert.deepEqual(report.items.map((item) => item.uid).sort(), ['camp-1', 'camp-2']);
    assert.deepEqual(report.counts, { delivered: 2 });
  });

  test('a push says where it is: scheduled, cancelled, and what is unknown is not found', async () => {
    await bench.register('soon', 'sue');
    const send_at = Math.floor(Date.now() / 1000) + 3_600;
    const uid = await bench.ring({ users: ['sue'] }, { send_at });
    const report = await status({ uid });
    assert.equal(report.state, 'scheduled');
    assert.equal(report.send_at, send_at);
    await bench.call('cancel_push', { uid });
    assert.equal((await status({ uid })).state, 'cancelled');
    await assert.rejects(status({ uid: 'never-heard-of' }), code(104));
    await assert.rejects(status({}), /uid, analytics_uid: one of them is required/);
  });

  test('raw tokens of a cancelled push are recorded without being shown', async () => {
    const token = subscription('raw-token-that-is-long-enough');
    const { uid } = await bench.call<{ uid: string }>('send_push_notification', {
      recipient: { webpush_tokens: [token] },
      notification: { webpush: { payload: {} } },
      send_at: Math.floor(Date.now() / 1000) + 3_600,
    });
    await bench.call('cancel_push', { uid });
    const report = await status({ uid });
    assert.deepEqual(report.counts, { cancelled: 1 });
    assert.match(report.items[0]?.recipient ?? '', /^token:https:\/\/….{4}#/);
    assert.ok(!JSON.stringify(report).includes('raw-token-that-is-long-enough'));
  });

  test('bad reports are refused by name', async () => {
    const good = { analytics_uid: 'x', device_id: 'webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV', status: 'delivered' };
    const cases: [object, RegExp][] = [
      [{ status: 'read' }, /status: must be one of delivered, interacted, got "read"/],
      [{ analytics_uid: '' }, /analytics_uid: is required/],
      [{ device_id: '' }, /device_id: is required/],
      [{ device_id: 'mine' }, /device_id: must be a device id/],
    ];
    for (const [change, message] of cases) {
      await assert.rejects(bench.call('update_push_status', { ...good, ...change }), message);
    }
  });

  test('what is older than the retention is forgotten', async () => {
    await bench.register('old', 'old');
    const uid = await bench.ring({ users: ['old'] });
    await bench.untilIdle();
    await database.db.exec("UPDATE carillon_push_statuses SET updated_at = now() - interval '169 hours'");
    await bench.push.reports.statuses?.purge();
    assert.deepEqual((await status({ uid })).items, []);
  });
});

test('sampled keeps the same share of devices for sends and for reports; off keeps none', async () => {
  const { db, drop } = await memoryDatabase();
  const sampled = await openPushBench(db, { config: { status: { mode: 'sampled', sample_rate: 0.5 } } });
  const ids: string[] = [];
  for (let n = 0; n < 60; n++) ids.push(await sampled.register(`s${n}`, 'sam'));
  await sampled.ring({ users: ['sam'] }, { uid: 'half' });
  await sampled.untilIdle();
  for (const device_id of ids) {
    await sampled.call('update_push_status', { analytics_uid: 'half', device_id, status: 'delivered' });
  }
  const { counts, sample_rate } = await sampled.call<Report>('push_status', { uid: 'half' });
  assert.equal(sample_rate, 0.5);
  const kept = counts.delivered ?? 0;
  assert.ok(kept > 10 && kept < 50, `${kept} of 60`);
  assert.deepEqual(Object.keys(counts), ['delivered']);
  await sampled.close();

  const off = await openPushBench(db, { config: { status: { mode: 'off' } } });
  await off.ring({ users: ['sam'] }, { uid: 'none' });
  await off.untilIdle();
  const [row] = await db.query<{ n: number }>(
    "SELECT count(*) AS n FROM carillon_push_statuses WHERE uid = 'none'",
  );
  assert.equal(row?.n, 0);
  assert.deepEqual(await off.call('push_status', { uid: 'none' }), {
    uid: 'none',
    analytics_uid: 'none',
    state: 'done',
    counts: {},
    items: [],
  });
  await off.close();
  await drop();
});
