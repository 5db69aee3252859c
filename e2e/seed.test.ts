/** `npm run seed` on both databases, and `npm start` on what it has made. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { openDatabase } from '../packages/carillon/src/index.ts';
import { createPostgresDatabase, withoutPostgres } from '../packages/carillon/test/support/database.ts';
import { subscription } from '../packages/carillon/test/support/push.ts';
import { type App, startApp } from './support/app.ts';
import { Person } from './support/person.ts';

const SEED = join(import.meta.dirname, '..', 'scripts', 'seed.ts');
const run = promisify(execFile);

/** @returns what it printed; rejects with `code`, `stdout` and `stderr` when it fails */
async function seed(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { DATABASE_URL: _, ...inherited } = process.env;
  const { stdout } = await run(process.execPath, [SEED, ...args], { env: { ...inherited, ...env } });
  return stdout;
}

suite('a seeded data folder', () => {
  let dataDir: string;
  let app: App;
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'seed-'));
    const printed = await seed({ CARILLON_DATA_DIR: dataDir }, '--scale', '--users', '130');
    assert.match(printed, /accounts alice, bob, carol/);
    assert.match(printed, /130 users and 490 memberships added/);
    app = await startApp({ dataDir });
  });
  after(async () => {
    await app?.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  test('is what npm start serves: a user of it logs in and finds all four rooms with their members', async () => {
    const ann = await Person.logIn(app.origin, 'scale-1', 'carillon-demo');
    const { results } = await ann.get<{
      results: { name: string; member_count: number; unread_count: number }[];
    }>('/api/rooms/');
    const found = results.map(({ name, member_count, unread_count }) => [name, member_count, unread_count]);
    assert.deepEqual(found.sort(), [
      ['Centrifugo', 130, 0],
      ['Football', 100, 0],
      ['Movies', 130, 0],
      ['Programming', 130, 0],
    ]);
  });

  test('rings: a device that a user registers later is bound to the rooms', async () => {
    const { apiKey } = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as {
      apiKey: string;
    };
    const call = async (method: string, body: object) => {
      const response = await fetch(`${app.carillonUrl}/api/${method}`, {
        method: 'POST',
        headers: { 'X-API-Key': apiKey },
        body: JSON.stringify(body),
      });
      const { result, error } = (await response.json()) as {
        result: Record<string, unknown>;
        error?: object;
      };
      assert.equal(error, undefined);
      return result;
    };
    // Past GrandChat, which looks after topics at a registration: these are there before.
    const bob = await Person.logIn(app.origin, 'scale-101', 'carillon-demo');
    const { id } = await call('device_register', {
      user: String(bob.id),
      provider: 'webpush',
      platform: 'web',
      token: subscription('seeded'),
    });
    const { items } = (await call('device_list', { filter: { ids: [id] }, include_topics: true })) as {
      items: { topics: string[] }[];
    };
    const { results } = await bob.get<{ results: { id: number; name: string }[] }>('/api/rooms/');
    assert.deepEqual(results.map(({ name }) => name).sort(), ['Centrifugo', 'Movies', 'Programming']);
    assert.deepEqual(items[0]?.topics.toSorted(), results.map((room) => `chat:messages:${room.id}`).sort());
  });

  test('is not touched while the server has it, which is said in words', async () => {
    await assert.rejects(seed({ CARILLON_DATA_DIR: dataDir }, '--scale', '--users', '140'), {
      code: 1,
      stderr: new RegExp(
        `^seed: ${dataDir} is in use by process ${app.process.pid}, running since .*Stop it first`,
      ),
    });
  });
});

suite('a seeded PostgreSQL', { skip: withoutPostgres }, () => {
  test('gets what is missing, and no more, at a second run', async () => {
    const { dsn, drop } = await createPostgresDatabase();
    try {
      assert.match(await seed({ DATABASE_URL: dsn }), /accounts alice, bob, carol/);
      const first = await seed({}, '--scale', '--users', '90', '--database-url', dsn);
      assert.match(first, /nothing added.*\nScale: 90 users and 360 memberships added/);
      assert.match(
        await seed({ DATABASE_URL: dsn }, '--scale', '--users', '90'),
        /0 users and 0 memberships/,
      );
      assert.match(
        await seed({ DATABASE_URL: dsn }, '--scale', '--users', '120'),
        /30 users and 100 memberships/,
      );
      const db = await openDatabase({ dsn });
      try {
        const rooms = await db.query(
          `SELECT r.name, r.member_count AS count, count(*) AS members, count(t.id) AS bound
           FROM chat_room r JOIN chat_roommember m ON m.room_id = r.id
           LEFT JOIN carillon_user_topics t ON t.user_id = m.user_id::text AND t.topic = 'chat:messages:' || r.id
           WHERE r.name IN ('Centrifugo', 'Football') GROUP BY r.id ORDER BY r.name`,
        );
        assert.deepEqual(rooms, [
          { name: 'Centrifugo', count: 120, members: 120, bound: 120 },
          { name: 'Football', count: 100, members: 100, bound: 100 },
        ]);
      } finally {
        await db.close();
      }
    } finally {
      await drop();
    }
  });

  test('that is not there is named in words', async () => {
    await assert.rejects(seed({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }), {
      code: 1,
      stderr:
        /^seed: the PostgreSQL of --database-url or DATABASE_URL cannot be reached: connect ECONNREFUSED/,
    });
  });
});
