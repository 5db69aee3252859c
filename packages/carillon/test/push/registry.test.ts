import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { addUserTopics, lockUserTopics } from '../../src/push/devices/topic-changes.ts';
import type { Queryable } from '../../src/storage/database.ts';
import { eachDatabase, postgresDatabase, type TestDatabase, withoutPostgres } from '../support/database.ts';
import { endpointOf, openPushBench, type PushBench, subscription } from '../support/push.ts';

interface Listed {
  items: { id: string; user?: string; token: string; topics?: string[]; [key: string]: unknown }[];
  next_cursor?: string;
  total_count?: number;
}

eachDatabase('the device registry', (open) => {
  let database: TestDatabase;
  let bench: PushBench;
  before(async () => {
    database = await open();
    bench = await openPushBench(database.db, { workers: false });
  });
  after(async () => {
    await bench?.close();
    await database?.drop();
  });
  const device = async (id: string) => {
    const { items } = await bench.call<Listed>('device_list', {
      filter: { ids: [id] },
      include_topics: true,
      include_meta: true,
      include_webpush_keys: true,
    });
    return items[0];
  };
  const badRequest = (message: RegExp) => (error: Error & { code?: number }) => {
    assert.equal(error.code, 107);
    assert.match(error.message, message);
    return true;
  };

  test('a registration declares the whole state: what is left out is emptied', async () => {
    const id = await bench.register('state', 'ann', {
      topics: ['a'],
      timezone: 'Europe/Nicosia',
      locale: 'pt-BR',
      meta: { k: 'v' },
    });
    const first = await device(id);
    assert.deepEqual(
      {
        user: first?.user,
        topics: first?.topics,
        timezone: first?.timezone,
        locale: first?.locale,
        meta: first?.meta,
        token: first?.token,
      },
      {
        user: 'ann',
        topics: ['a'],
        timezone: 'Europe/Nicosia',
        locale: 'pt-BR',
        meta: { k: 'v' },
        token: endpointOf('state'),
      },
    );
    assert.deepEqual(Object.keys(JSON.parse(String(first?.webpush_keys))).sort(), ['auth', 'p256dh']);
    await bench.register('state', '', { id });
    const second = await device(id);
    assert.deepEqual(
      [second?.user, second?.topics, second?.timezone, second?.meta],
      [undefined, undefined, undefined, undefined],
    );
  });

  test('a known token is the same device without its id, and a known id keeps it over a new token', async () => {
    const id = await bench.register('rotating', 'ann');
    assert.equal(await bench.register('rotating', 'ann'), id);
    assert.equal(await bench.register('rotated', 'ann', { id }), id);
    assert.equal((await device(id))?.token, endpointOf('rotated'));
    const { items } = await bench.call<Listed>('device_list', { filter: {}, limit: 1000 });
    assert.ok(!items.some(({ token }) => token === endpointOf('rotating')));
  });

  test('a device that takes over the token of another is that other one', async () => {
    const a = await bench.register('taken-a', 'ann');
    const b = await bench.register('taken-b', 'ann');
    assert.equal(await bench.register('taken-b', 'ann', { id: a }), a);
    assert.equal(await device(b), undefined);
  });

  test('an id that no device has counts as none, and the real one comes back', async () => {
    const id = await bench.register('unknown-id', 'ann', { id: 'webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV' });
    assert.notEqual(id, 'webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV');
    assert.ok(await device(id));
  });

  test('users bound many at once: their devices of before and of after have the topics, a second time changes nothing', async () => {
    const before = await bench.register('crowd-before', 'crowd-1');
    const users = Array.from({ length: 2_000 }, (_, n) => `crowd-${n}`);
    for (let time = 0; time < 2; time++)
      await database.db.transaction((tx) => addUserTopics(tx, users, ['crowd', 'choir']));
    const after = await bench.register('crowd-after', 'crowd-1999');
    for (const id of [before, after]) assert.deepEqual((await device(id))?.topics, ['choir', 'crowd']);
    const { total_count } = await bench.call<Listed>('user_topic_list', {
      filter: { topics: ['crowd'] },
      limit: 1,
      include_total_count: true,
    });
    assert.equal(total_count, 2_000);
  });

  test('a device that registers while a topic of its user is added never misses it', async () => {
    for (let round = 0; round < 40; round++) {
      const user = `racer-${round}`;
      const [id] = await Promise.all([
        bench.register(`race-${round}`, user),
        bench.call('user_topic_update', { user, op: 'add', topics: ['late'] }),
        bench.register(`race-${round}-b`, user),
      ]);
      const { items } = await bench.call<{ items: { id: string; topics?: string[] }[] }>('device_list', {
        filter: { users: [user] },
        include_topics: true,
      });
      assert.equal(items.length, 2);
      assert.ok(items.some((device) => device.id === id));
      for (const { topics } of items) assert.deepEqual(topics, ['late'], `round ${round}`);
    }
  });

  test('many first registrations of one token at once are one device', async () => {
    const ids = await Promise.allSettled(Array.from({ length: 8 }, () => bench.register('at-once', 'ann')));
    const good = ids.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(new Set(good).size, 1);
    for (const result of ids) if (result.status === 'rejected') assert.equal(result.reason.code, 113);
  });

  test('each bad field is refused by name, and nothing is written', async () => {
    const good = { provider: 'webpush', platform: 'web', token: subscription('bad') };
    const cases: [object, RegExp][] = [
      [{ provider: '' }, /provider: is required/],
      [{ provider: 'fcm' }, /provider: provider fcm is not enabled here; enabled: webpush/],
      [{ platform: 'windows' }, /platform: must be one of ios, android, web, got "windows"/],
      [{ token: '' }, /token: is required/],
      [{ token: '{}' }, /token\.endpoint: must be a URL/],
      [{ token: subscription('x').replace('https', 'http') }, /token\.endpoint/],
      [
        {
          token: JSON.stringify({
            endpoint: 'https://127.0.0.1/x',
            keys: JSON.parse(subscription('x')).keys,
          }),
        },
        /token\.endpoint/,
      ],
      [
        { token: JSON.stringify({ endpoint: endpointOf('x'), keys: { p256dh: 'AA', auth: 'AA' } }) },
        /token\.keys\.p256dh/,
      ],
      [{ timezone: 'Mars/Base' }, /timezone: must be an IANA time zone/],
      [{ locale: 'not a locale' }, /locale: must be a language tag/],
      [{ id: 'nonsense' }, /id: must be a device id/],
      [{ id: 'fcm-01ARZ3NDEKTSV4RRFFQ69G5FAV' }, /id: must be a device id of provider webpush/],
      [{ user: 'x'.repeat(256) }, /user: must be at most 255 characters, got 256/],
      [{ user: 'a\0b' }, /user: must not contain the character NUL/],
      [{ user: 'a\ud800' }, /user: must be Unicode text, without halves of surrogate pairs/],
    ];
    for (const [change, message] of cases) {
      await assert.rejects(bench.call('device_register', { ...good, ...change }), badRequest(message));
    }
    const { total_count } = await bench
      .call<Listed>('device_list', { filter: { users: ['x'.repeat(256), 'bad'] }, include_total_count: true })
      .catch(() => ({ total_count: undefined }));
    assert.equal(total_count, undefined);
  });

  test('a user topic reaches devices that are there, and those that come later', async () => {
    const id = await bench.register('early', 'tom');
    await bench.call('user_topic_update', { user: 'tom', op: 'add', topics: ['room:1', 'room:2'] });
    assert.deepEqual((await device(id))?.topics, ['room:1', 'room:2']);
    const late = await bench.register('late', 'tom', { topics: ['own'] });
    assert.deepEqual((await device(late))?.topics, ['own', 'room:1', 'room:2']);
    await bench.call('user_topic_update', { user: 'tom', op: 'remove', topics: ['room:1'] });
    await bench.call('user_topic_update', { user: 'tom', op: 'remove', topics: ['room:1'] });
    assert.deepEqual((await device(late))?.topics, ['own', 'room:2']);
    await bench.call('user_topic_update', { user: 'tom', op: 'set', topics: ['room:3'] });
    assert.deepEqual((await device(late))?.topics, ['room:3']);
    const { items } = await bench.call<{ items: object[] }>('user_topic_list', {
      filter: { users: ['tom'] },
    });
    assert.deepEqual(
      items.map((item) => ({ ...item, id: 0 })),
      [{ id: 0, user: 'tom', topic: 'room:3' }],
    );
  });

  test('a device that changes hands loses the topics of the one and gets those of the other', async () => {
    await bench.call('user_topic_update', { user: 'one', op: 'add', topics: ['t:one'] });
    await bench.call('user_topic_update', { user: 'two', op: 'add', topics: ['t:two'] });
    const id = await bench.register('shared', 'one');
    assert.deepEqual((await device(id))?.topics, ['t:one']);
    await bench.register('shared', 'two', { id });
    assert.deepEqual((await device(id))?.topics, ['t:two']);
  });

  test('the global binding reaches a device at its next registration', async () => {
    const id = await bench.register('global', 'gil');
    await bench.call('user_topic_update', { user: '', op: 'add', topics: ['everybody'] });
    assert.equal((await device(id))?.topics, undefined);
    await bench.register('global', 'gil');
    assert.deepEqual((await device(id))?.topics, ['everybody']);
    await bench.call('user_topic_update', { user: '', op: 'set', topics: [] });
  });

  test('device_topic_update guards the owner: 113 for another user, 104 for no device, and nothing changes', async () => {
    const id = await bench.register('guarded', 'owner');
    const update = (extra: object) =>
      bench.call('device_topic_update', { device_id: id, op: 'add', topics: ['x'], ...extra });
    await assert.rejects(update({ user: 'thief' }), { code: 113 });
    await assert.rejects(update({ device_id: 'webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV' }), { code: 104 });
    await assert.rejects(
      update({ op: 'toggle' }),
      badRequest(/op: must be one of add, remove, set, got "toggle"/),
    );
    assert.equal((await device(id))?.topics, undefined);
    await update({ user: 'owner' });
    assert.deepEqual((await device(id))?.topics, ['x']);
  });

  test('P2: device_remove takes ids and users together as AND, and refuses to remove everything', async () => {
    const mine = await bench.register('mine', 'me');
    const other = await bench.register('other', 'you');
    await bench.call('device_remove', { ids: [mine, other], users: ['me'] });
    assert.equal(await device(mine), undefined);
    assert.ok(await device(other));
    await assert.rejects(bench.call('device_remove', { ids: [], users: [] }), badRequest(/ids, users/));
    await bench.call('device_remove', { ids: ['webpush-01ARZ3NDEKTSV4RRFFQ69G5FAV'] });
  });

  test('device_update changes what it names and leaves the rest', async () => {
    const id = await bench.register('updated', 'before', { timezone: 'Europe/Paris', topics: ['a'] });
    await bench.call('device_update', {
      ids: [id],
      user_update: { user: 'after' },
      topics_update: { op: 'add', topics: ['b'] },
    });
    const row = await device(id);
    assert.deepEqual([row?.user, row?.timezone, row?.topics], ['after', 'Europe/Paris', ['a', 'b']]);
    await assert.rejects(bench.call('device_update', { user_update: { user: 'x' } }), { code: 107 });
  });

  test('a device that was silent for longer than allowed is swept away, others stay', async () => {
    const [old, fresh] = [await bench.register('silent', 'sal'), await bench.register('lively', 'sal')];
    await database.db.query(
      `UPDATE carillon_devices SET updated_at = now() - interval '31 days' WHERE id = $1`,
      [old],
    );
    assert.equal(await bench.push.registry!.devices.removeInactive(30 * 86_400_000), 1);
    assert.equal(await device(old), undefined);
    assert.ok(await device(fresh));
  });

  test('however many devices were silent, all are swept away', async () => {
    await database.db.exec(
      `INSERT INTO carillon_devices (id, provider, token, platform, user_id, updated_at)
       SELECT 'webpush-01ARZ3NDEKTSVX' || lpad(n::text, 12, '0'), 'webpush', 'https://x/silent-' || n, 'web', 'sal', now() - interval '31 days'
       FROM generate_series(1, 10001) AS n`,
    );
    assert.equal(await bench.push.registry!.devices.removeInactive(30 * 86_400_000), 10_001);
  });

  test('pages by cursor are whole and without repeats, and the total counts the filter', async () => {
    const ids = [];
    for (let n = 0; n < 7; n++) ids.push(await bench.register(`page-${n}`, 'pager', { topics: ['p', 'q'] }));
    const seen: string[] = [];
    let cursor = '';
    do {
      const page: Listed = await bench.call('device_list', {
        filter: { topics: ['p', 'q'], users: ['pager'] },
        cursor,
        limit: 3,
        include_total_count: true,
      });
      assert.equal(page.total_count, 7);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor ?? '';
    } while (cursor);
    assert.deepEqual(seen, ids.sort());
    await assert.rejects(
      bench.call('device_list', { limit: -1 }),
      badRequest(/limit: must be 0 or more, got -1/),
    );
    await assert.rejects(bench.call('device_list', { cursor: '; drop' }), badRequest(/cursor/));
  });

  test('a prefix of topics is taken literally', async () => {
    await bench.call('user_topic_update', { user: 'lit', op: 'set', topics: ['a_b', 'axb', 'a%b'] });
    const list = async (topic_prefix: string) =>
      (
        await bench.call<{ items: { topic: string }[] }>('user_topic_list', {
          filter: { users: ['lit'], topic_prefix },
        })
      ).items.map(({ topic }) => topic);
    assert.deepEqual(await list('a_'), ['a_b']);
    assert.deepEqual(await list('a%'), ['a%b']);
  });

  test('whatever is registered and bound, the topics are those of a simple model', async () => {
    const users = ['m1', 'm2'];
    const topics = ['x', 'y', 'z'];
    const some = fc.subarray(topics);
    const step = fc.oneof(
      fc.record({ kind: fc.constant('register' as const), user: fc.constantFrom(...users), topics: some }),
      fc.record({
        kind: fc.constant('bind' as const),
        user: fc.constantFrom(...users),
        op: fc.constantFrom('add', 'remove', 'set'),
        topics: some,
      }),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        run += 1;
        const bound = new Map(users.map((user) => [user, new Set<string>()]));
        let owner = '';
        let expected = new Set<string>();
        for (const user of users)
          await bench.call('user_topic_update', { user: `${user}-${run}`, op: 'set', topics: [] });
        for (const one of steps) {
          const own = bound.get(one.user) as Set<string>;
          if (one.kind === 'register') {
            await bench.register(`model-${run}`, `${one.user}-${run}`, { topics: one.topics });
            owner = one.user;
            expected = new Set([...one.topics, ...own]);
            continue;
          }
          await bench.call('user_topic_update', {
            user: `${one.user}-${run}`,
            op: one.op,
            topics: one.topics,
          });
          const change = (set: Set<string>) => {
            if (one.op === 'set') set.clear();
            for (const topic of one.topics) one.op === 'remove' ? set.delete(topic) : set.add(topic);
          };
          change(own);
          if (one.user === owner) change(expected);
        }
        if (!owner) return;
        const { items } = await bench.call<Listed>('device_list', {
          filter: { users: users.map((user) => `${user}-${run}`) },
          include_topics: true,
        });
        assert.deepEqual(items[0]?.topics ?? [], [...expected].sort());
      }),
      { numRuns: 25 },
    );
  });
});

test('users bound many at once wait for a change of one of them that has begun', {
  skip: withoutPostgres,
}, async (t) => {
  const database = await postgresDatabase();
  const bench = await openPushBench(database.db, { workers: false });
  t.after(async () => {
    await bench.close();
    await database.drop();
  });
  let binding: Promise<void> | undefined;
  await database.db.transaction(async (tx) => {
    await lockUserTopics(tx, 'b');
    let isDone = false;
    binding = database.db
      .transaction((other) => addUserTopics(other, ['c', 'b', 'a'], ['together']))
      .finally(() => {
        isDone = true;
      });
    while (!isDone && !(await waitsForLock(tx)));
    assert.equal(isDone, false, 'it did not wait');
  });
  await binding;
});

// PGlite has one connection: there nothing can begin meanwhile.
test('a registration waits for a change of its user’s topics that has begun, and has what it brought', {
  skip: withoutPostgres,
}, async (t) => {
  const database = await postgresDatabase();
  const bench = await openPushBench(database.db, { workers: false });
  t.after(async () => {
    await bench.close();
    await database.drop();
  });
  let registering: Promise<string> | undefined;
  await database.db.transaction(async (tx) => {
    await lockUserTopics(tx, 'patient');
    let isDone = false;
    registering = bench.register('patient', 'patient').finally(() => {
      isDone = true;
    });
    while (!isDone && !(await waitsForLock(tx)));
    assert.equal(isDone, false, 'it did not wait');
    await tx.query(`INSERT INTO carillon_user_topics (user_id, topic) VALUES ('patient', 'late')`);
  });
  const id = await registering;
  const { items } = await bench.call<{ items: { topics?: string[] }[] }>('device_list', {
    filter: { ids: [id] },
    include_topics: true,
  });
  assert.deepEqual(items[0]?.topics, ['late']);
});

/** Whether anybody waits for an advisory lock in this database. */
async function waitsForLock(on: Queryable): Promise<boolean> {
  const [row] = await on.query<{ n: number }>(
    `SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  return (row?.n ?? 0) > 0;
}
