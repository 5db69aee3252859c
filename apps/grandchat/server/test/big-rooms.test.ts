import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, migrate } from 'carillon';
import pg from 'pg';
import {
  eachDatabase,
  postgresDatabase,
  type TestDatabase,
  withoutPostgres,
} from '../../../../packages/carillon/test/support/database.ts';
import { MIGRATIONS } from '../src/index.ts';
import { CommandTable } from '../src/rooms/commands/command-table.ts';
import { Expander } from '../src/rooms/commands/expander.ts';
import { type RoomEvent, RoomEvents } from '../src/rooms/commands/room-events.ts';
import { TableBroadcaster } from '../src/rooms/commands/table-broadcaster.ts';
import { startBench } from './support/bench.ts';

const PARTITIONS = 4;
const BIG_PARTITIONS = 3;
const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');

interface Row {
  readonly id: number;
  readonly partition: number;
  readonly payload: { channels: string[]; data: { body: { n: number } }; idempotency_key: string };
}

/** Rooms and what is told of them, without people; expanders are started by the test. */
class Rooms {
  readonly db: Database;
  readonly table: CommandTable;
  readonly #events: RoomEvents;
  readonly #expanders: Expander[] = [];
  #count = 0;

  private constructor(db: Database, table: CommandTable) {
    this.db = db;
    this.table = table;
    this.#events = new RoomEvents(db, new TableBroadcaster(table));
  }

  static async open(db: Database, name: 'chat_outbox' | 'chat_cdc' = 'chat_outbox'): Promise<Rooms> {
    await migrate(db, 'grandchat', MIGRATIONS);
    return new Rooms(db, new CommandTable(name, PARTITIONS));
  }

  async startExpander(db = this.db): Promise<Expander> {
    const expander = new Expander({
      db,
      table: this.table,
      partitions: BIG_PARTITIONS,
      isEmptied: this.table.name !== 'chat_cdc',
      logger: { error: (fields: object) => assert.fail(JSON.stringify(fields)) },
    });
    await expander.start();
    this.#expanders.push(expander);
    return expander;
  }

  /** A room, and the ids of its members, in order. */
  async create(members: number): Promise<{ id: number; members: number[] }> {
    this.#count += 1;
    const [room] = await this.db.query<{ id: number }>(
      'INSERT INTO chat_room (name) VALUES ($1) RETURNING id',
      [`Room ${this.#count}`],
    );
    const { id } = room as { id: number };
    return { id, members: await this.addMembers(id, members) };
  }

  async addMembers(roomId: number, count: number): Promise<number[]> {
    this.#count += 1;
    const rows = await this.db.query<{ id: number }>(
      `WITH users AS (
         INSERT INTO chat_user (username, password) SELECT $1 || n, 'x' FROM generate_series(1, $2) AS n RETURNING id
       ), room AS (UPDATE chat_room SET member_count = member_count + $2 WHERE id = $3)
       INSERT INTO chat_roommember (room_id, user_id) SELECT $3, id FROM users RETURNING user_id AS id`,
      [`user-${this.#count}-`, count, roomId],
    );
    return rows.map(({ id }) => id).sort((a, b) => a - b);
  }

  /** Tells of the nth change of a room, under its lock as GrandChat does. */
  async tell(roomId: number, n: number, to: Partial<RoomEvent> = {}, change = ''): Promise<void> {
    await this.#events.transaction(async (tx, tell) => {
      await tx.query('SELECT FROM chat_room WHERE id = $1 FOR UPDATE', [roomId]);
      if (change) await tx.exec(change);
      await tell({
        roomId,
        type: 'message_added',
        body: { n },
        idempotencyKey: `${roomId}-${n}`,
        toMembers: true,
        toUsers: [],
        ...to,
      });
    });
  }

  async expanded(): Promise<void> {
    await until(async () => (await this.events()) === 0);
  }

  async events(): Promise<number> {
    const [row] = await this.db.query<{ n: number }>('SELECT count(*) AS n FROM chat_event');
    return row?.n ?? 0;
  }

  /** Rows that tell of a room, as a consumer comes to them. */
  async rows(roomId: number): Promise<Row[]> {
    return this.db.query(
      `SELECT id, partition, payload FROM ${this.table.name} WHERE payload->>'idempotency_key' LIKE $1 ORDER BY id`,
      [`${roomId}-%`],
    );
  }

  /** What each user is told of a room, in the order of the partitions, each read by itself. */
  async told(roomId: number): Promise<Map<number, number[]>> {
    const told = new Map<number, number[]>();
    const partitions = new Map<number, number>();
    for (const { partition, payload } of await this.rows(roomId)) {
      for (const channel of payload.channels) {
        const user = Number(channel.replace('personal:', ''));
        const known = partitions.get(user) ?? partition;
        assert.equal(partition, known, 'all that a user is told of a room is in one partition');
        partitions.set(user, partition);
        told.set(user, [...(told.get(user) ?? []), payload.data.body.n]);
      }
    }
    return told;
  }

  async close(): Promise<void> {
    for (const expander of this.#expanders) await expander.close();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(10);
}

eachDatabase('big rooms', (open) => {
  let database: TestDatabase;
  let rooms: Rooms;
  before(async () => {
    database = await open();
    rooms = await Rooms.open(database.db);
  });
  after(async () => {
    await rooms?.close();
    await database?.drop();
  });

  test('B5, B6: an event of a big room is one small row at first, and then rows in partitions of big rooms, each member once and always in the same', async () => {
    const { id, members } = await rooms.create(9_000);
    await rooms.tell(id, 1);
    assert.equal((await rooms.rows(id)).length, 0);
    const [event] = await database.db.query<{ size: number }>(
      'SELECT pg_column_size(chat_event) AS size FROM chat_event',
    );
    assert.ok((event?.size ?? 0) < 300);

    await rooms.startExpander();
    await rooms.expanded();
    await rooms.tell(id, 2);
    await rooms.expanded();
    const rowsOf = await rooms.rows(id);
    assert.ok(rowsOf.every(({ partition }) => partition >= 4 && partition < 7));
    assert.ok(rowsOf.every(({ payload }) => payload.channels.length <= 1_600));
    assert.deepEqual(
      await rooms.told(id),
      new Map(members.map((user) => [user, [1, 2]])),
      'everybody has both, in order, by one partition',
    );
    const byPartition = new Map<number, number>();
    for (const { partition, payload } of rowsOf)
      byPartition.set(partition, (byPartition.get(partition) ?? 0) + payload.channels.length);
    assert.deepEqual([...byPartition.values()], [6_000, 6_000, 6_000], 'the partitions share the work');
  });

  test('an ordinary room’s event is one row in a partition of ordinary rooms', async () => {
    const { id, members } = await rooms.create(1_000);
    await rooms.tell(id, 1);
    const [row, ...more] = await rooms.rows(id);
    assert.deepEqual(more, []);
    assert.equal(row?.partition, id % PARTITIONS);
    assert.deepEqual(
      row?.payload.channels,
      members.map((user) => `personal:${user}`),
    );
  });

  test('who leaves a big room is told of that, and of nothing that comes after', async () => {
    const { id, members } = await rooms.create(1_500);
    const leaver = members[700] as number;
    await rooms.tell(id, 1);
    await rooms.tell(
      id,
      2,
      { toUsers: [leaver] },
      `DELETE FROM chat_roommember WHERE room_id = ${id} AND user_id = ${leaver}`,
    );
    await rooms.tell(id, 3);
    await rooms.expanded();
    const told = await rooms.told(id);
    assert.deepEqual(told.get(leaver)?.at(-1), 2);
    assert.deepEqual(told.get(leaver + 1), [1, 2, 3]);
    assert.equal(told.size, 1_500);
  });

  test('what is for one user keeps its place among what is for all', async () => {
    const { id, members } = await rooms.create(1_200);
    const reader = members[5] as number;
    for (let n = 1; n <= 9; n += 3) {
      await rooms.tell(id, n);
      await rooms.tell(id, n + 1, { type: 'room_read', toMembers: false, toUsers: [reader] });
      await rooms.tell(id, n + 2, { type: 'room_read', toMembers: false, toUsers: [reader] });
    }
    await rooms.expanded();
    const told = await rooms.told(id);
    assert.deepEqual(told.get(reader), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(told.get(reader + 1), [1, 4, 7]);
  });

  test('a room becomes big without overtaking what waits in its old partition, and without waiting for what came later', async () => {
    const { id, members } = await rooms.create(999);
    await rooms.tell(id, 1);
    await rooms.tell(id, 2);
    const [joiner] = await rooms.addMembers(id, 2);
    await rooms.tell(id, 3);
    await rooms.tell(id, 4);
    // Other rooms of the same partition, which go on and on.
    const other = await rooms.create(1);
    await database.db.query(
      `INSERT INTO chat_outbox (method, payload, partition) SELECT 'publish', '{}', $1 FROM generate_series(1, 5)`,
      [id % PARTITIONS],
    );
    await rooms.tell(other.id, 1);
    const big = await rooms.create(1_100);
    await rooms.tell(big.id, 1);
    await until(async () => (await rooms.rows(big.id)).length > 0);
    assert.deepEqual(
      (await rooms.rows(id)).map(({ payload }) => payload.data.body.n),
      [1, 2],
      'held back while the consumer has not come so far',
    );

    const [first, second] = await rooms.rows(id);
    await database.db.query('DELETE FROM chat_outbox WHERE partition = $1 AND id <= $2', [
      id % PARTITIONS,
      first?.id,
    ]);
    await rooms.tell(big.id, 2);
    await until(async () => (await rooms.told(big.id)).get(big.members[0] as number)?.length === 2);
    assert.deepEqual(
      (await rooms.rows(id)).map(({ payload }) => payload.data.body.n),
      [2],
      'held back while one row waits',
    );

    await database.db.query('DELETE FROM chat_outbox WHERE partition = $1 AND id <= $2', [
      id % PARTITIONS,
      second?.id,
    ]);
    await rooms.expanded();
    const told = await rooms.told(id);
    assert.equal(told.size, 1_001);
    assert.deepEqual(told.get(members[0] as number), [3, 4]);
    assert.deepEqual(told.get(joiner as number), [3, 4]);
  });

  test('a room stays big when members leave', async () => {
    const { id, members } = await rooms.create(1_001);
    await rooms.tell(id, 1);
    await rooms.tell(
      id,
      2,
      {},
      `DELETE FROM chat_roommember WHERE room_id = ${id} AND user_id <> ${members[0]};
       UPDATE chat_room SET member_count = 1 WHERE id = ${id}`,
    );
    await rooms.expanded();
    assert.deepEqual((await rooms.told(id)).get(members[0] as number), [1, 2]);
  });
});

suite('expanding on PostgreSQL', { skip: withoutPostgres }, () => {
  let database: TestDatabase & { dsn: string };
  let rooms: Rooms;
  before(async () => {
    database = await postgresDatabase();
    rooms = await Rooms.open(database.db);
  });
  after(async () => {
    await rooms?.close();
    await database?.drop();
  });

  test('several processes at once tell each member of each event once, in order', async () => {
    const crowd = await Promise.all([rooms.create(6_000), rooms.create(2_000), rooms.create(1_500)]);
    for (let n = 0; n < 4; n++) await rooms.startExpander();
    const numbers = [1, 2, 3, 4, 5, 6];
    await Promise.all(
      crowd.map(async ({ id }) => {
        for (const n of numbers) await rooms.tell(id, n);
      }),
    );
    await rooms.expanded();
    for (const { id, members } of crowd)
      assert.deepEqual(
        [...(await rooms.told(id))].sort(([a], [b]) => a - b),
        members.map((user) => [user, numbers]),
      );
    await rooms.close();
  });

  test('of a process that is killed in the middle no row is lost or doubled', async () => {
    const { id, members } = await rooms.create(12_500);
    // The step that comes to this member waits for a lock of the test's.
    const victim = members[7_000];
    await database.db.exec(`
      CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock(4711);
        RETURN NEW;
      END $$;
      CREATE TRIGGER wait_here BEFORE INSERT ON chat_outbox FOR EACH ROW
        WHEN (position('"personal:${victim}"' IN NEW.payload::text) > 0) EXECUTE FUNCTION wait_here();`);
    const holder = new pg.Client({ connectionString: database.dsn });
    await holder.connect();
    await holder.query('SELECT pg_advisory_lock(4711)');
    const dataDir = await mkdtemp(join(tmpdir(), 'big-rooms-'));
    const start = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [MAIN], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        env: {
          ...process.env,
          DATABASE_URL: database.dsn,
          CARILLON_DATA_DIR: dataDir,
          GRANDCHAT_PORT: '0',
          GRANDCHAT_OUTBOX_PARTITIONS: String(PARTITIONS),
          GRANDCHAT_BIG_ROOM_PARTITIONS: String(BIG_PARTITIONS),
        },
      });
      await once(child, 'message');
      return child;
    };
    const end = async (child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM') => {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    };
    try {
      const first = await start();
      await rooms.tell(id, 1);
      await rooms.tell(id, 2);
      await until(async () => {
        const waiting = await database.db.query(
          `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`,
        );
        return waiting.length > 0;
      });
      assert.ok((await rooms.rows(id)).length > 0, 'earlier pages are there already');
      await end(first, 'SIGKILL');
      await holder.query('SELECT pg_advisory_unlock(4711)');
      const second = await start();
      await rooms.expanded();
      assert.deepEqual(
        [...(await rooms.told(id))].sort(([a], [b]) => a - b),
        members.map((user) => [user, [1, 2]]),
      );
      await end(second, 'SIGTERM');
    } finally {
      await holder.end();
      await database.db.exec('DROP TRIGGER wait_here ON chat_outbox');
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  test('while a thousand rows of big rooms wait, events are kept small', async () => {
    await database.db.exec(`DELETE FROM chat_outbox;
      INSERT INTO chat_outbox (method, payload, partition) SELECT 'publish', '{}', 4 + n % 3 FROM generate_series(1, 1000) AS n`);
    const { db } = database;
    let looks = 0;
    const expander = await rooms.startExpander({
      kind: db.kind,
      query: (text, params) => db.query(text, params),
      exec: (sql) => db.exec(sql),
      listen: (channel, listener) => db.listen(channel, listener),
      close: () => db.close(),
      // Each look at what can be done is one.
      transaction(work) {
        looks += 1;
        return db.transaction(work);
      },
    });
    const [one, two] = [await rooms.create(1_100), await rooms.create(1_100)];
    await rooms.tell(one.id, 1);
    await rooms.tell(two.id, 1);
    const before = looks;
    await until(async () => looks > before + 10);
    assert.equal(await rooms.events(), 2);
    await database.db.exec(`DELETE FROM chat_outbox WHERE method = 'publish'`);
    await rooms.expanded();
    assert.equal((await rooms.told(one.id)).size + (await rooms.told(two.id)).size, 2_200);
    await expander.close();
  });
});

suite('big rooms in mode cdc', { skip: withoutPostgres }, () => {
  test('are expanded into chat_cdc, at once when what the room had waiting is trimmed', async () => {
    const database = await postgresDatabase();
    const rooms = await Rooms.open(database.db, 'chat_cdc');
    try {
      await rooms.startExpander();
      const { id, members } = await rooms.create(1_000);
      await rooms.tell(id, 1);
      await rooms.addMembers(id, 1);
      await rooms.tell(id, 2);
      await database.db.query('DELETE FROM chat_cdc');
      await rooms.expanded();
      assert.deepEqual((await rooms.told(id)).get(members[0] as number), [2]);
    } finally {
      await rooms.close();
      await database.drop();
    }
  });

  test('are expanded half a minute after they became big where nobody trims', async () => {
    const database = await postgresDatabase();
    const rooms = await Rooms.open(database.db, 'chat_cdc');
    try {
      const { id, members } = await rooms.create(1_000);
      await rooms.tell(id, 1);
      await rooms.addMembers(id, 1);
      await rooms.tell(id, 2);
      await database.db.query(`UPDATE chat_event SET created_at = now() - interval '31 seconds'`);
      await rooms.startExpander();
      await rooms.expanded();
      const later = (await rooms.rows(id)).filter(({ payload }) => payload.data.body.n === 2);
      assert.equal(later.flatMap(({ payload }) => payload.channels).length, members.length + 1);
    } finally {
      await rooms.close();
      await database.drop();
    }
  });
});

suite('a big room before people', { skip: withoutPostgres }, () => {
  test('writers and readers of one hear of everything in order', async () => {
    const database = await postgresDatabase();
    const bench = await startBench(database.db, {}, { broadcast: { partitions: 4, bigRoomPartitions: 4 } });
    try {
      const [ann, bob] = [await bench.person('ann'), await bench.person('bob')];
      const { body: room } = await ann.post('/api/rooms/', { name: 'Hall' });
      await database.db.exec(`
        INSERT INTO chat_user (username, password) SELECT 'seed-' || n, 'x' FROM generate_series(1, 1500) AS n;
        INSERT INTO chat_roommember (room_id, user_id) SELECT ${room.id}, id FROM chat_user WHERE username LIKE 'seed-%';
        UPDATE chat_room SET member_count = 1501 WHERE id = ${room.id};
        DELETE FROM chat_outbox`);
      await bob.post(`/api/rooms/${room.id}/join/`);
      const { body: message } = await ann.post(`/api/rooms/${room.id}/messages/`, { content: 'hello' });
      await bob.post(`/api/rooms/${room.id}/read/`, { message_id: message.id });
      await bob.post(`/api/rooms/${room.id}/leave/`);
      await ann.post(`/api/rooms/${room.id}/messages/`, { content: 'gone?' });
      await until(async () => (await database.db.query('SELECT FROM chat_event')).length === 0);
      const of = async (who: { id: number }) =>
        (await bench.outbox('broadcast'))
          .filter(({ channels }) => channels.includes(`personal:${who.id}`))
          .map(({ data }) => data.type);
      assert.deepEqual(await of(bob), ['user_joined', 'message_added', 'room_read', 'user_left']);
      assert.deepEqual(await of(ann), ['user_joined', 'message_added', 'user_left', 'message_added']);
      const [push] = await database.db.query<{ partition: number }>(
        `SELECT partition FROM chat_outbox WHERE method = 'send_push_notification' LIMIT 1`,
      );
      assert.equal(push?.partition, room.id % 4, 'pushes stay among those of ordinary rooms');
    } finally {
      await bench.close();
      await database.drop();
    }
  });
});
