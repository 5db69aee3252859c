import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { eachPush, openPushBench, type PushBench, type PushPlace, subscription } from '../support/push.ts';

eachPush('sending', (open) => {
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
    bench.senders.batches.length = 0;
    bench.senders.answer = () => ({ kind: 'accepted', code: 'accepted' });
  });
  const rung = () => [...bench.senders.rung].sort();
  const refused =
    (message: RegExp, code = 107) =>
    (error: Error & { code?: number }) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    };

  test('a topic rings for its devices, and not for those that are excluded by user or id', async () => {
    await bench.register('a', 'ann', { topics: ['room'] });
    await bench.register('b1', 'bob', { topics: ['room'] });
    const b2 = await bench.register('b2', 'bob', { topics: ['room', 'other'] });
    await bench.register('c', 'cat', { topics: ['elsewhere'] });
    await bench.ring({ topics: ['room'], exclude: { users: ['ann'] } });
    await bench.untilIdle();
    assert.deepEqual(rung(), ['b1', 'b2']);
    bench.senders.rung.length = 0;
    await bench.ring({ topics: ['room', 'other'], users: ['bob', 'ann'], exclude: { ids: [b2] } });
    await bench.untilIdle();
    assert.deepEqual(rung(), ['a', 'b1']);
  });

  test('filters by ids, users, providers and platforms are OR inside and AND between', async () => {
    const id = await bench.register('f1', 'fay');
    await bench.register('f2', 'fay');
    await bench.ring({
      ids: [id, 'webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV'],
      users: ['fay'],
      providers: ['webpush'],
      platforms: ['web', 'ios'],
    });
    await bench.untilIdle();
    assert.deepEqual(rung(), ['f1']);
    bench.senders.rung.length = 0;
    await bench.ring({ users: ['fay'], platforms: ['ios'] });
    await bench.untilIdle();
    assert.deepEqual(rung(), []);
  });

  test('a thousand devices and more are rung once each, in batches of a bounded size', async () => {
    const rows = Array.from(
      { length: 2_345 },
      (_, n) =>
        `('webpush-01ARZ3NDEKTSV4RRFF${String(n).padStart(6, '0')}', 'webpush', 'https://x/m${n}', 'web', 'many')`,
    );
    await database.db.exec(`INSERT INTO carillon_devices (id, provider, token, platform, user_id) VALUES ${rows.join(',')};
      INSERT INTO carillon_device_topics (device_id, topic) SELECT id, 'crowd' FROM carillon_devices WHERE user_id = 'many'`);
    await bench.ring({ topics: ['crowd'] });
    await bench.untilIdle();
    assert.equal(bench.senders.rung.length, 2_345);
    assert.equal(new Set(bench.senders.rung).size, 2_345);
    assert.ok(bench.senders.batches.every(({ targets }) => targets.length <= 100));
  });

  test('P10: a uid is accepted once, however often and at whatever time it comes', async () => {
    await bench.register('once', 'once');
    const uids = await Promise.all(
      Array.from({ length: 5 }, () => bench.ring({ users: ['once'] }, { uid: 'the-same' })),
    );
    assert.deepEqual(new Set(uids), new Set(['the-same']));
    await bench.untilIdle();
    await bench.ring({ users: ['once'] }, { uid: 'the-same' });
    await bench.untilIdle();
    assert.deepEqual(rung(), ['once']);
  });

  test('a dead subscription is removed, one that fails for good is kept and written down', async () => {
    const gone = await bench.register('gone', 'dee');
    const failing = await bench.register('failing', 'dee');
    bench.senders.answer = (name) =>
      name === 'gone'
        ? { kind: 'gone', code: 'unregistered' }
        : { kind: 'failed', code: 'forbidden', reason: 'wrong key' };
    const uid = await bench.ring({ users: ['dee'] });
    await bench.untilIdle();
    const { items } = await bench.call<{ items: { id: string }[] }>('device_list', {
      filter: { ids: [gone, failing] },
    });
    assert.deepEqual(
      items.map(({ id }) => id),
      [failing],
    );
    assert.deepEqual(await bench.push.queue.deadLetters(uid), [
      { provider: 'webpush', recipient: failing, code: 'forbidden', reason: 'wrong key', attempts: 1 },
    ]);
  });

  test('a device that registered anew while its old answer was under way is not removed', async () => {
    const id = await bench.register('reborn', 'rae');
    bench.senders.answer = async () => {
      await bench.register('reborn', 'rae', { id });
      return { kind: 'gone', code: 'unregistered' };
    };
    await bench.ring({ users: ['rae'] });
    await bench.untilIdle();
    assert.equal(
      (await bench.call<{ items: object[] }>('device_list', { filter: { ids: [id] } })).items.length,
      1,
    );
  });

  test('what may pass is tried again for just those that failed, up to the cap, then written down', async () => {
    await bench.register('fine', 'ret');
    await bench.register('flaky', 'ret');
    await bench.register('broken', 'ret');
    bench.senders.answer = (name, attempt) => {
      if (name === 'fine' || (name === 'flaky' && attempt === 3))
        return { kind: 'accepted', code: 'accepted' };
      return { kind: 'retry', code: 'unavailable', reason: 'status 503' };
    };
    const uid = await bench.ring({ users: ['ret'] });
    await bench.untilIdle();
    const times = (name: string) => bench.senders.rung.filter((one) => one === name).length;
    assert.deepEqual([times('fine'), times('flaky'), times('broken')], [1, 3, 4]);
    const [letter] = await bench.push.queue.deadLetters(uid);
    assert.deepEqual(
      [letter?.code, letter?.reason, letter?.attempts],
      ['unavailable', 'gave up: status 503', 4],
    );
  });

  test('Retry-After is honoured', async () => {
    await bench.register('later', 'lou');
    let first = 0;
    let second = 0;
    bench.senders.answer = (_name, attempt) => {
      if (attempt === 1) {
        first = performance.now();
        return { kind: 'retry', code: 'too_many_requests', retryAfterMs: 300 };
      }
      second = performance.now();
      return { kind: 'accepted', code: 'accepted' };
    };
    await bench.ring({ users: ['lou'] });
    await bench.untilIdle();
    assert.ok(second - first >= 300, `${second - first} ms`);
  });

  test('an expired push is dropped, and none is retried past its expiry', async () => {
    await bench.register('stale', 'exp');
    const past = Math.floor(Date.now() / 1000) - 10;
    await bench.ring({ users: ['exp'] }, { notification: { webpush: { payload: {} }, expire_at: past } });
    await bench.untilIdle();
    assert.deepEqual(rung(), []);
    bench.senders.answer = () => ({ kind: 'retry', code: 'unavailable', retryAfterMs: 60_000 });
    await bench.ring(
      { users: ['exp'] },
      { notification: { webpush: { payload: {} }, expire_at: past + 40 } },
    );
    await bench.untilIdle();
    assert.deepEqual(rung(), ['stale']);
  });

  test('a delayed push waits, and can be cancelled', async () => {
    await bench.register('delayed', 'del');
    const uid = await bench.ring({ users: ['del'] }, { send_at: Math.floor(Date.now() / 1000) + 3_600 });
    assert.equal(await bench.push.queue.pending(uid), 1);
    await bench.call('cancel_push', { uid });
    assert.equal(await bench.push.queue.pending(uid), 0);
    const soon = await bench.ring({ users: ['del'] }, { send_at: Math.floor(Date.now() / 1000) + 1 });
    await bench.senders.untilRung(1);
    assert.ok(soon);
    await bench.untilIdle();
    assert.deepEqual(rung(), ['delayed']);
  });

  test('who logs out between two attempts is not rung again', async () => {
    const id = await bench.register('leaving', 'lea', { topics: ['room-x'] });
    bench.senders.answer = async (_name, attempt) => {
      if (attempt === 1) await bench.call('device_remove', { ids: [id], users: ['lea'] });
      return { kind: 'retry', code: 'unavailable' };
    };
    await bench.ring({ topics: ['room-x'] });
    await bench.untilIdle();
    assert.deepEqual(rung(), ['leaving']);
  });

  test('a push is rendered for each device, in its language, and encoded once for those who get the same', async () => {
    await bench.register('pt1', 'loc', { locale: 'pt-BR', meta: { name: 'Ana' } });
    await bench.register('pt2', 'loc', { locale: 'pt', meta: { name: 'Ana' } });
    await bench.register('xx', 'loc', { meta: { name: '"}{{.device.id}}' } });
    const payload = { title: '{{default [[hello]] .l10n.greeting}} {{.device.meta.name}}' };
    await bench.ring(
      { users: ['loc'] },
      {
        use_meta: true,
        localizations: { pt: { translations: { greeting: 'Olá' } } },
        notification: { webpush: { payload } },
      },
    );
    await bench.untilIdle();
    const titles = bench.senders.batches.map(({ message, targets }) => [
      (message.payload as { title: string }).title,
      targets.length,
    ]);
    assert.deepEqual(titles.sort(), [
      ['Olá Ana', 2],
      ['hello "}{{.device.id}}', 1],
    ]);
  });

  test('a template that cannot be read, and one for raw tokens, are refused by name', async () => {
    const notification = { webpush: { payload: { title: '{{if .x}}' } } };
    await assert.rejects(
      bench.ring({ users: ['x'] }, { use_templating: true, notification }),
      refused(/notification\.webpush: payload\.title: unknown function "if"/),
    );
    await assert.rejects(
      bench.call('send_push_notification', {
        recipient: { webpush_tokens: [subscription('r')] },
        notification: { webpush: { payload: {} } },
        use_templating: true,
      }),
      refused(/must come with recipient\.filter/),
    );
    await assert.rejects(
      bench.ring({ users: ['x'] }, { localizations: { 'not a tag': {} } }),
      refused(/localizations: must be a language tag/),
    );
    await bench.ring({ users: ['nobody'] }, { notification });
    await bench.untilIdle();
  });

  test('raw tokens need no registry', async () => {
    const request = {
      recipient: { webpush_tokens: [subscription('raw1'), subscription('raw2')] },
      notification: { webpush: { payload: {} } },
    };
    await bench.call('send_push_notification', request);
    await bench.untilIdle();
    assert.deepEqual(rung(), ['raw1', 'raw2']);
  });

  test('each bad request is refused by name and leaves nothing behind', async () => {
    const good = { recipient: { filter: { users: ['x'] } }, notification: { webpush: { payload: {} } } };
    const cases: [object, RegExp, number?][] = [
      [{ recipient: {} }, /recipient: must have exactly one of filter, .*got none/],
      [
        { recipient: { filter: { users: ['x'] }, webpush_tokens: [subscription('x')] } },
        /got filter, webpush_tokens/,
      ],
      [{ recipient: { filter: {} } }, /recipient/],
      [{ recipient: { filter: { exclude: { users: ['x'] } } } }, /recipient/],
      [{ recipient: { fcm_topic: 'news' } }, /recipient\.fcm_topic: provider fcm is not enabled/],
      [{ recipient: { webpush_tokens: ['nonsense'] } }, /recipient\.webpush_tokens\[0\]/],
      [{ notification: {} }, /notification: must have a block for at least one provider/],
      [
        { notification: { fcm: { message: {} } } },
        /notification\.fcm: provider fcm is not enabled here; enabled: webpush/,
      ],
      [{ notification: { webpush: { payload: 'text' } } }, /notification\.webpush\.payload/],
      [
        { notification: { webpush: { payload: { big: 'x'.repeat(4_000) } } } },
        /notification\.webpush\.payload/,
      ],
      [{ send_at: -1 }, /send_at: must be a time in unix seconds, got -1/],
      [
        { send_at: 4_000_000_000, notification: { webpush: { payload: {} }, expire_at: 3_000_000_000 } },
        /send_at: must not be after expire_at/,
      ],
      [
        { limit_strategy: { rate_limit: {} } },
        /limit_strategy\.rate_limit\.policies: must have 1 to 10 items, got 0/,
      ],
      [
        { limit_strategy: { rate_limit: { policies: [{ rate: 0, interval_ms: 1 }] } } },
        /policies\[0\]\.rate: must be 1 to 10000, got 0/,
      ],
      [
        { limit_strategy: { rate_limit: { policies: [{ rate: 1, interval_ms: -5 }] } } },
        /policies\[0\]\.interval_ms: must be 1 to \d+, got -5/,
      ],
      [
        { limit_strategy: { time_limit: { send_after_time: '9:00', send_before_time: '21:00:00' } } },
        /time_limit\.send_after_time: must be a time of day as HH:MM:SS, got "9:00"/,
      ],
      [
        { limit_strategy: { time_limit: { send_after_time: '09:00:00', send_before_time: '09:00:00' } } },
        /send_before_time: must differ from send_after_time/,
      ],
      [
        {
          recipient: { webpush_tokens: [subscription('x')] },
          limit_strategy: { rate_limit: { policies: [{ rate: 1, interval_ms: 1 }] } },
        },
        /limit_strategy: must come with recipient\.filter/,
      ],
      [{ uid: 'x'.repeat(256) }, /uid: must be at most 255 characters/],
    ];
    for (const [change, message, code] of cases) {
      await assert.rejects(
        bench.call('send_push_notification', { ...good, ...change }),
        refused(message, code),
      );
    }
    assert.equal((await bench.push.depth()).size, 0);
  });

  test('a dry run sends nothing, and all the rest is as ever', async () => {
    const dry = await openPushBench(database.db, {
      queue: database.queue,
      config: { dry_run: true, dry_run_latency: '1ms' },
    });
    await bench.close();
    await dry.register('dry', 'dry');
    await dry.ring({ users: ['dry'] });
    await dry.untilIdle();
    assert.deepEqual([...dry.senders.rung, ...rung()], []);
    await dry.close();
    bench = await openPushBench(database.db, { queue: database.queue });
  });
});
