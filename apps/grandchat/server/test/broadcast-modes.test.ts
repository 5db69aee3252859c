import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from 'carillon';
import {
  eachDatabase,
  memoryDatabase,
  postgresDatabase,
  type TestDatabase,
  withoutPostgres,
} from '../../../../packages/carillon/test/support/database.ts';
import { broadcastFromEnvironment, realtimeFromEnvironment } from '../src/index.ts';
import { CdcRetention, DEFAULT_CDC_RETENTION_MS } from '../src/rooms/commands/cdc-retention.ts';
import type { BroadcastMode } from '../src/rooms/commands/mode.ts';
import { type Bench, type Browser, CarillonRecorder, startBench } from './support/bench.ts';

interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Record<string, unknown>;
  readonly words: string;
}

/** Ann and Bob before a GrandChat in one mode. */
class ModeBench {
  readonly bench: Bench;
  readonly ann: Browser;
  readonly bob: Browser;
  readonly log: Line[];
  #rooms = 0;

  private constructor(bench: Bench, ann: Browser, bob: Browser, log: Line[]) {
    this.bench = bench;
    this.ann = ann;
    this.bob = bob;
    this.log = log;
  }

  static async open({ db }: TestDatabase, mode: BroadcastMode): Promise<ModeBench> {
    const log: Line[] = [];
    const write = (level: Line['level']) => (fields: unknown, words?: string) =>
      void log.push({ level, fields: fields as Line['fields'], words: words ?? '' });
    const bench = await startBench(
      db,
      {},
      {
        broadcast: { mode, partitions: 4, bigRoomPartitions: 4 },
        logger: { info: write('info'), warn: write('warn'), error: write('error') },
      },
    );
    return new ModeBench(bench, await bench.person('ann'), await bench.person('bob'), log);
  }

  /** A room of the two; what has been told of it so far is forgotten. */
  async room(): Promise<number> {
    this.#rooms += 1;
    const { body } = await this.ann.post('/api/rooms/', { name: `Room ${this.#rooms}` });
    await this.bob.post(`/api/rooms/${body.id}/join/`);
    return body.id;
  }

  async write(roomId: number, content = 'hello'): Promise<{ id: number }> {
    const { status, body } = await this.ann.post(`/api/rooms/${roomId}/messages/`, { content });
    assert.equal(status, 201);
    return body;
  }

  /** Calls of the API that tell of a room, from the first on, `count` of them at least. */
  async told(roomId: number, count: number): Promise<Told[]> {
    const { carillon } = this.bench;
    const ofRoom = () =>
      (carillon.of('broadcast') as unknown as Told[]).filter(({ data }) => data.body.room?.id === roomId);
    while (ofRoom().length < count) await carillon.until('broadcast', carillon.of('broadcast').length + 1);
    return ofRoom();
  }

  async rows(table: string): Promise<{ method: string; payload: Told; partition: number }[]> {
    return this.bench.db.query(`SELECT method, payload, partition FROM ${table} ORDER BY id`);
  }
}

interface Told {
  readonly channels: string[];
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect, and fail where it is not there
  readonly data: { type: string; body: any };
  readonly idempotency_key: string;
}

const key = (message: { id: number }) => `message_${message.id}`;

eachDatabase('mode api', (open) => {
  let database: TestDatabase;
  let scene: ModeBench;
  before(async () => {
    database = await open();
    scene = await ModeBench.open(database, 'api');
  });
  after(async () => {
    await scene?.bench.close();
    await database?.drop();
  });

  test('events go by the API with the body of the reply, commands about notifications by the outbox', async () => {
    const id = await scene.room();
    const message = await scene.write(id);
    await scene.bob.post(`/api/rooms/${id}/read/`, { message_id: message.id });
    await scene.bob.post(`/api/rooms/${id}/leave/`);
    const told = await scene.told(id, 4);
    assert.deepEqual(
      told.map(({ data, channels }) => [data.type, channels]),
      [
        ['user_joined', [`personal:${scene.ann.id}`]],
        ['user_joined', [`personal:${scene.ann.id}`, `personal:${scene.bob.id}`]],
        ['message_added', [`personal:${scene.ann.id}`, `personal:${scene.bob.id}`]],
        ['user_left', [`personal:${scene.ann.id}`, `personal:${scene.bob.id}`]],
      ],
    );
    assert.deepEqual(told[2], {
      channels: [`personal:${scene.ann.id}`, `personal:${scene.bob.id}`],
      data: { type: 'message_added', body: message },
      idempotency_key: key(message),
    });
    const [read] = (scene.bench.carillon.of('broadcast') as unknown as Told[]).filter(
      ({ data }) => data.type === 'room_read',
    );
    assert.deepEqual(read?.channels, [`personal:${scene.bob.id}`]);
    const methods = (await scene.rows('chat_outbox')).map(({ method }) => method);
    assert.deepEqual(methods, [
      'user_topic_update',
      'user_topic_update',
      'send_push_notification',
      'user_topic_update',
    ]);
  });

  test('a writer does not wait for the API', async () => {
    const id = await scene.room();
    await scene.told(id, 2);
    scene.bench.carillon.answers.set('broadcast', 'silence');
    const [one, two] = [await scene.write(id), await scene.write(id)];
    await scene.told(id, 3);
    scene.bench.carillon.answers.delete('broadcast');
    scene.bench.carillon.cutSilent();
    const told = await scene.told(id, 5);
    assert.deepEqual(
      told.slice(2).map((event) => event.idempotency_key),
      [key(one), key(one), key(two)],
      'what got no answer is sent again',
    );
  });

  for (const [title, answer] of [
    ['status 500', 500],
    ['status 429', 429],
    ['a broken connection', 'down'],
    [
      'error 100 of a channel',
      { responses: [{ result: {} }, { error: { code: 100, message: 'internal' } }] },
    ],
  ] as const) {
    test(`B4: after ${title} an event is sent again with its idempotency key, and later ones of its room wait behind it`, async () => {
      const { carillon } = scene.bench;
      const [id, other] = [await scene.room(), await scene.room()];
      await scene.told(id, 2);
      await scene.told(other, 2);
      let failures = 0;
      carillon.answer = (_method, n) => {
        const event = carillon.of('broadcast')[n - 1] as unknown as Told | undefined;
        if (event?.data.body.room?.id !== id || failures === 3) return undefined;
        failures += 1;
        return answer;
      };
      const [one, two, third] = [await scene.write(id), await scene.write(id), await scene.write(other)];
      await scene.told(other, 3);
      assert.ok(!(await scene.told(id, 1)).some((event) => event.idempotency_key === key(two)));
      const told = (await scene.told(id, 6)).slice(2).map((event) => event.idempotency_key);
      assert.deepEqual(told, [key(one), key(one), key(one), key(one), key(two)].slice(0, told.length));
      assert.equal((await scene.told(id, 7)).at(-1)?.idempotency_key, key(two));
      assert.equal((await scene.told(other, 3)).at(-1)?.idempotency_key, key(third));
      carillon.answer = () => undefined;
    });
  }

  for (const [title, answer, words] of [
    ['the whole is refused', new Error('bad request'), /not sent by the API: it is lost/],
    ['the API key is wrong', 401, /not sent by the API: it is lost/],
    [
      'a channel is refused',
      { responses: [{ result: {} }, { error: { code: 102, message: 'unknown channel' } }] },
      /refused for some channels: unknown channel/,
    ],
  ] as const) {
    test(`B4: when ${title} that is said, and the next event follows`, async () => {
      const { carillon } = scene.bench;
      const id = await scene.room();
      await scene.told(id, 2);
      const before = scene.log.length;
      carillon.answer = (_method, n) =>
        carillon.of('broadcast')[n - 1]?.idempotency_key === key(one) ? answer : undefined;
      const ids = (await scene.write(id)).id;
      const one = { id: ids };
      const two = await scene.write(id);
      const told = (await scene.told(id, 4)).slice(2);
      assert.deepEqual(
        told.map((event) => event.idempotency_key),
        [key(one), key(two)],
      );
      const lines = scene.log.slice(before).filter(({ level }) => level === 'error');
      assert.deepEqual(
        lines.map(({ fields }) => fields.key),
        [key(one)],
      );
      assert.match(lines[0]?.words ?? '', words);
      carillon.answer = () => undefined;
    });
  }

  test('B5: a large room is told in requests of at most ten thousand channels, each member once', async () => {
    const id = await scene.room();
    await fill(database, id, 20_500);
    await scene.told(id, 2);
    const message = await scene.write(id);
    const told = (await scene.told(id, 5)).slice(2);
    assert.deepEqual(
      told.map(({ channels }) => channels.length),
      [10_000, 10_000, 502],
    );
    assert.equal(new Set(told.flatMap(({ channels }) => channels)).size, 20_502);
    assert.deepEqual(new Set(told.map((event) => event.idempotency_key)), new Set([key(message)]));
  });
});

/** Adds members without telling anybody. */
export async function fill({ db }: TestDatabase, roomId: number, count: number): Promise<void> {
  await db.exec(`
    INSERT INTO chat_user (username, password) SELECT 'seed-${roomId}-' || n, 'x' FROM generate_series(1, ${count}) AS n;
    INSERT INTO chat_roommember (room_id, user_id) SELECT ${roomId}, id FROM chat_user WHERE username LIKE 'seed-${roomId}-%';
    UPDATE chat_room SET member_count = member_count + ${count} WHERE id = ${roomId};`);
}

test('in mode api, what is under way when GrandChat stops is sent', { skip: withoutPostgres }, async () => {
  const database = await postgresDatabase();
  const scene = await ModeBench.open(database, 'api');
  const { carillon, grandchat } = scene.bench;
  try {
    const id = await scene.room();
    await scene.told(id, 2);
    let failures = 0;
    carillon.answer = (method) => (method === 'broadcast' && ++failures <= 2 ? 500 : undefined);
    const messages = [await scene.write(id), await scene.write(id)];
    await grandchat.close();
    assert.deepEqual(
      (await scene.told(id, 6)).slice(-2).map((event) => event.idempotency_key),
      messages.map(key),
    );
  } finally {
    await scene.bench.close();
    await database.drop();
  }
});

suite('modes cdc and api_cdc', { skip: withoutPostgres }, () => {
  test('in mode cdc every command is a row of chat_cdc, with the columns of the outbox, and nothing else is told', async () => {
    const database = await postgresDatabase();
    const scene = await ModeBench.open(database, 'cdc');
    try {
      const id = await scene.room();
      const message = await scene.write(id);
      await scene.ann.post('/api/device/register/', {
        device: { provider: 'webpush', platform: 'web', token: '{}' },
      });
      await scene.ann.post('/api/logout/');
      const rows = await scene.rows('chat_cdc');
      assert.deepEqual(
        rows.map(({ method }) => method),
        [
          'broadcast',
          'user_topic_update',
          'broadcast',
          'user_topic_update',
          'broadcast',
          'send_push_notification',
          'user_topic_update',
          'device_remove',
        ],
      );
      assert.deepEqual(rows[4]?.payload, {
        channels: [`personal:${scene.ann.id}`, `personal:${scene.bob.id}`],
        data: { type: 'message_added', body: message },
        idempotency_key: key(message),
      });
      assert.deepEqual(await scene.rows('chat_outbox'), []);
      assert.deepEqual(scene.bench.carillon.of('broadcast'), []);
      const columns = (table: string) =>
        database.db.query(
          `SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY 1`,
          [table],
        );
      assert.deepEqual(await columns('chat_cdc'), await columns('chat_outbox'));
      assert.deepEqual(
        await database.db.query(
          `SELECT tgname FROM pg_trigger WHERE tgrelid = 'chat_cdc'::regclass AND NOT tgisinternal`,
        ),
        [],
      );
    } finally {
      await scene.bench.close();
      await database.drop();
    }
  });

  test('in mode api_cdc an event goes both ways under one key, and by the table alone while the API answers 500', async () => {
    const database = await postgresDatabase();
    const scene = await ModeBench.open(database, 'api_cdc');
    try {
      const id = await scene.room();
      const first = await scene.write(id);
      const [byApi] = (await scene.told(id, 3)).slice(2);
      const byTable = async (message: { id: number }) =>
        (await scene.rows('chat_cdc')).filter(({ payload }) => payload.idempotency_key === key(message));
      assert.deepEqual((await byTable(first))[0]?.payload, byApi);

      scene.bench.carillon.answers.set('broadcast', 500);
      const second = await scene.write(id);
      const third = await scene.write(id);
      const tries = (await scene.told(id, 7)).slice(3).map((event) => event.idempotency_key);
      assert.deepEqual(
        tries,
        [key(second), key(second), key(third), key(third)],
        'few tries: the table has it',
      );
      assert.equal((await byTable(second)).length, 1);
      assert.equal((await byTable(third)).length, 1);
      const pushes = (await scene.rows('chat_cdc')).filter(
        ({ method }) => method === 'send_push_notification',
      );
      assert.equal(pushes.length, 3);
      assert.deepEqual(await scene.rows('chat_outbox'), []);
    } finally {
      await scene.bench.close();
      await database.drop();
    }
  });
});

suite('B7: the rows of chat_cdc', { skip: withoutPostgres }, () => {
  test('go when they are older than the retention, in small steps, and younger ones stay', async () => {
    const database = await postgresDatabase();
    const { db } = database;
    const scene = await startBench(db, {}, { broadcast: { mode: 'outbox' } });
    const add = (count: number, age: string) =>
      db.query(
        `INSERT INTO chat_cdc (method, payload, created_at)
         SELECT 'publish', '{}', now() - $2::interval FROM generate_series(1, $1)`,
        [count, age],
      );
    const left = async () => (await db.query('SELECT FROM chat_cdc')).length;
    await scene.close();
    await add(2_500, '8 days');
    await add(30, '6 days');
    let largest = 0;
    const counted: Database = {
      kind: db.kind,
      exec: (sql) => db.exec(sql),
      transaction: (work) => db.transaction(work),
      listen: (channel, listener) => db.listen(channel, listener),
      close: () => db.close(),
      async query<Row>(text: string, params?: readonly unknown[]) {
        const rows = await db.query<Row>(text, params);
        largest = Math.max(largest, rows.length);
        return rows;
      },
    };
    const logger = { error: (fields: object) => assert.fail(JSON.stringify(fields)) };
    const retention = new CdcRetention({ db: counted, retention: DEFAULT_CDC_RETENTION_MS, logger });
    await retention.sweep();
    assert.deepEqual([await left(), largest], [30, 1_000]);

    // GrandChat does so by itself, from its start on.
    const again = await startBench(
      db,
      {},
      { broadcast: { mode: 'outbox', cdcRetention: 3 * 24 * 3_600_000 } },
    );
    while ((await left()) > 0) await delay(10);
    await again.close();
    await database.drop();
  });
});

suite('the choice of a mode', () => {
  test('is outbox by default, and a name that is none is refused with those that are', () => {
    assert.deepEqual(broadcastFromEnvironment({}), {
      mode: 'outbox',
      partitions: 4,
      bigRoomPartitions: 4,
      cdcRetention: 7 * 24 * 3_600_000,
    });
    assert.equal(broadcastFromEnvironment({ GRANDCHAT_BROADCAST_MODE: 'api_cdc' }).mode, 'api_cdc');
    assert.throws(
      () => broadcastFromEnvironment({ GRANDCHAT_BROADCAST_MODE: 'kafka' }),
      /^Error: GRANDCHAT_BROADCAST_MODE is "kafka": allowed are outbox, api, cdc, api_cdc$/,
    );
    for (const name of ['GRANDCHAT_OUTBOX_PARTITIONS', 'GRANDCHAT_BIG_ROOM_PARTITIONS']) {
      for (const text of ['0', '-1', '1.5', 'x', '1000'])
        assert.throws(
          () => broadcastFromEnvironment({ [name]: text }),
          new RegExp(`${name} is "${text}": a whole number from 1 to 999 is allowed`),
        );
    }
  });

  test('B7: rows of chat_cdc are kept for a week, or as long as is said, in durations that make sense', () => {
    assert.equal(broadcastFromEnvironment({ GRANDCHAT_CDC_RETENTION: '1h30m' }).cdcRetention, 5_400_000);
    for (const text of ['7d', '0', '59s', '-1h', 'week'])
      assert.throws(
        () => broadcastFromEnvironment({ GRANDCHAT_CDC_RETENTION: text }),
        new RegExp(`GRANDCHAT_CDC_RETENTION is "${text}": a duration of 1m or more is allowed, such as 168h`),
      );
  });

  test('cdc and api_cdc are refused on the embedded database, with the reason', async () => {
    const database = await memoryDatabase();
    for (const mode of ['cdc', 'api_cdc'] as const) {
      await assert.rejects(
        ModeBench.open(database, mode),
        new RegExp(`GRANDCHAT_BROADCAST_MODE is "${mode}": the embedded database has no logical replication`),
      );
    }
    await database.drop();
  });
});

suite('another server for real time', () => {
  test('is named by an address, and anything else is refused', () => {
    assert.equal(realtimeFromEnvironment({}), undefined);
    assert.deepEqual(
      realtimeFromEnvironment({
        GRANDCHAT_REALTIME_URL: 'http://localhost:8001/',
        GRANDCHAT_REALTIME_API_KEY: 'k',
      }),
      { url: 'http://localhost:8001', apiKey: 'k' },
    );
    for (const text of ['localhost:8001', 'ws://localhost', 'x'])
      assert.throws(
        () => realtimeFromEnvironment({ GRANDCHAT_REALTIME_URL: text }),
        /GRANDCHAT_REALTIME_URL is ".*": an address such as/,
      );
  });

  test('must have an API key in modes that call its API', async () => {
    const database = await memoryDatabase();
    const realtime = { url: 'http://localhost:1', apiKey: '' };
    await assert.rejects(
      startBench(database.db, {}, { broadcast: { mode: 'api' }, realtime }),
      /^Error: GRANDCHAT_REALTIME_API_KEY is not set: mode api calls the API of http:\/\/localhost:1$/,
    );
    await database.drop();
  });

  test('gets the events and the WebSockets, and Carillon the calls and commands about notifications', {
    skip: withoutPostgres,
  }, async () => {
    const database = await postgresDatabase();
    const realtime = new CarillonRecorder();
    const url = await realtime.start();
    const bench = await startBench(
      database.db,
      {},
      { broadcast: { mode: 'api' }, realtime: { url, apiKey: 'k' } },
    );
    try {
      const ann = await bench.person('ann');
      const { body: room } = await ann.post('/api/rooms/', { name: 'Apart' });
      await ann.post(`/api/rooms/${room.id}/messages/`, { content: 'hello' });
      await realtime.until('broadcast', 2);
      assert.deepEqual(bench.carillon.of('broadcast'), []);
      const socket = new WebSocket(`${bench.origin.replace('http', 'ws')}/connection/websocket`);
      await once(socket, 'error');
      assert.deepEqual([realtime.upgrades, bench.carillon.upgrades], [['/connection/websocket'], []]);
      await ann.post('/api/device/register/', {
        device: { provider: 'webpush', platform: 'web', token: '{}' },
      });
      assert.equal(bench.carillon.of('device_register').length, 1);
      assert.equal(realtime.of('device_register').length, 0);
      const methods = async (table: string) =>
        (await database.db.query<{ method: string }>(`SELECT method FROM ${table} ORDER BY id`)).map(
          ({ method }) => method,
        );
      assert.deepEqual(await methods('chat_push_outbox'), [
        'user_topic_update',
        'send_push_notification',
        'user_topic_update',
      ]);
      assert.deepEqual(await methods('chat_outbox'), []);
    } finally {
      await bench.close();
      await realtime.close();
      await database.drop();
    }
  });
});
