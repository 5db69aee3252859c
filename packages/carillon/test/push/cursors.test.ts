import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { eachDatabase, type TestDatabase } from '../support/database.ts';
import { openPushBench, type PushBench } from '../support/push.ts';

const USERS = ['ann', 'bob', ''];
const TOPICS = ['a', 'a%', 'b', 'b_1', 'bx1'];

interface Item {
  readonly id: string;
  readonly user?: string;
  readonly topic?: string;
  readonly topics?: readonly string[];
  readonly device_id?: string;
}

/** Devices as one registration of each leaves them. */
const world = fc.array(
  fc.record({
    user: fc.constantFrom(...USERS),
    topics: fc.uniqueArray(fc.constantFrom(...TOPICS)),
  }),
  { maxLength: 12 },
);
const request = fc.record({
  limit: fc.integer({ min: 1, max: 5 }),
  users: fc.subarray(USERS),
  topics: fc.subarray(TOPICS),
  prefix: fc.constantFrom('', 'a', 'a%', 'b_', 'none'),
});

eachDatabase('cursors', (open) => {
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

  async function walk(method: string, filter: object, limit: number): Promise<Item[]> {
    const seen: Item[] = [];
    let cursor = '';
    do {
      const page = await bench.call<{ items: Item[]; next_cursor?: string; total_count?: number }>(method, {
        filter,
        limit,
        cursor,
        include_total_count: true,
        ...(method === 'device_list' && { include_topics: true }),
      });
      assert.ok(page.items.length <= limit);
      seen.push(...page.items);
      cursor = page.next_cursor ?? '';
      if (!cursor)
        assert.equal(page.total_count ?? 0, seen.length, `${method}: the count is that of the filter`);
    } while (cursor);
    return seen;
  }

  test('whatever is listed, by whatever filter and size of page, the pages together are the whole, once each', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(world, request, async (devices, { limit, users, topics, prefix }) => {
        round += 1;
        await database.db.exec('DELETE FROM carillon_devices; DELETE FROM carillon_user_topics');
        const all: { id: string; user: string; topics: readonly string[] }[] = [];
        for (const [n, { user, topics: own }] of devices.entries()) {
          const id = await bench.register(`cursor-${round}-${n}`, user, { topics: own });
          all.push({ id, user, topics: own.toSorted() });
        }
        const bound = new Map<string, string>();
        for (const { user, topics: own } of devices) {
          await bench.call('user_topic_update', { user, op: 'add', topics: own.slice(0, 1) });
          if (own[0]) bound.set(`${user} ${own[0]}`, own[0]);
          for (const device of all) {
            if (user !== '' && device.user === user && own[0] && !device.topics.includes(own[0])) {
              Object.assign(device, { topics: [...device.topics, own[0]].toSorted() });
            }
          }
        }
        const byUser = (user: string) => users.length === 0 || users.includes(user);
        const byTopic = (topic: string) => topics.length === 0 || topics.includes(topic);

        const listed = await walk('device_list', { users, topics }, limit);
        assert.deepEqual(
          listed.map((item) => [item.id, item.topics ?? []]),
          all
            .filter((one) => byUser(one.user) && (topics.length === 0 || one.topics.some(byTopic)))
            .map((one) => [one.id, one.topics])
            .toSorted(),
        );

        const pairs = await walk(
          'device_topic_list',
          { device_users: users, topics, topic_prefix: prefix },
          limit,
        );
        assert.deepEqual(
          pairs.map((item) => `${item.device_id} ${item.topic}`).toSorted(),
          all
            .filter((one) => byUser(one.user))
            .flatMap((one) =>
              one.topics
                .filter((topic) => byTopic(topic) && topic.startsWith(prefix))
                .map((topic) => `${one.id} ${topic}`),
            )
            .toSorted(),
        );

        const bindings = await walk('user_topic_list', { users, topics, topic_prefix: prefix }, limit);
        assert.deepEqual(
          bindings.map((item) => `${item.user ?? ''} ${item.topic}`).toSorted(),
          [...bound]
            .filter(([key, topic]) => {
              const user = key.slice(0, key.indexOf(' '));
              return byUser(user) && byTopic(topic) && topic.startsWith(prefix);
            })
            .map(([key]) => key)
            .toSorted(),
        );
      }),
      { numRuns: 25 },
    );
  });
});
