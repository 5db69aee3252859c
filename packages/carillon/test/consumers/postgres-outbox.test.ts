import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { PostgresConsumerOptions } from '../../src/config/config.ts';
import { DatabaseParkingLot } from '../../src/consumers/parking.ts';
import { PostgresOutboxConsumer } from '../../src/consumers/postgres-outbox.ts';
import type { Database } from '../../src/storage/database.ts';
import { openDatabase } from '../../src/storage/open.ts';
import {
  eachDatabase,
  memoryDatabase,
  postgresDatabase,
  type TestDatabase,
  withoutPostgres,
} from '../support/database.ts';
import { type ConsumerPlace, consumerConformance, type Parked } from './conformance.ts';
import { Recorder, upTo } from './recorder.ts';

const TABLE = `CREATE TABLE outbox (id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL,
  partition bigint NOT NULL DEFAULT 0, created_at timestamptz DEFAULT now());
  CREATE INDEX ON outbox (partition, id);
  CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM pg_notify('outbox_changed', NEW.partition::text); RETURN NEW; END $$;
  CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_notify();`;

async function openConsumer(
  recorder: Recorder,
  db: Database,
  options: Partial<PostgresConsumerOptions> = {},
  runnerOptions: { maxAttempts?: number } = {},
): Promise<PostgresOutboxConsumer> {
  const parking = new DatabaseParkingLot(db, recorder.logger);
  await parking.open();
  return new PostgresOutboxConsumer({
    name: 'test',
    db,
    notificationDb: db,
    runner: recorder.runner(runnerOptions),
    parking,
    counters: recorder.counters,
    logger: recorder.logger,
    options: {
      dsn: '',
      outbox_table_name: 'outbox',
      num_partitions: 1,
      partition_select_limit: 100,
      partition_poll_interval: 10_000,
      partition_notification_channel: 'outbox_changed',
      partition_notification_dsn: '',
      use_try_lock: false,
      ...options,
    },
  });
}

async function outboxPlace(open: () => Promise<TestDatabase>): Promise<ConsumerPlace> {
  const { db, drop } = await open();
  await db.exec(TABLE);
  return {
    async put(commands) {
      for (const { method, payload, partition = 0 } of commands)
        await db.query('INSERT INTO outbox (method, payload, partition) VALUES ($1, $2::jsonb, $3)', [
          method,
          JSON.stringify(payload),
          partition,
        ]);
    },
    async putNumbered(count, from = 0) {
      await db.query(
        `INSERT INTO outbox (method, payload, partition)
         SELECT 'publish', jsonb_build_object('n', n, 'partition', n % 4), n % 4
         FROM generate_series($1::int, $2::int) AS n ORDER BY n`,
        [from, from + count - 1],
      );
    },
    open: (recorder, runnerOptions) => openConsumer(recorder, db, { num_partitions: 4 }, runnerOptions),
    parked: () =>
      db.query<Parked>('SELECT method, payload, reason FROM carillon_parked_commands ORDER BY id'),
    async assertEmpty() {
      assert.deepEqual(await db.query('SELECT id FROM outbox LIMIT 1'), []);
    },
    drop,
  };
}

consumerConformance('the outbox consumer on PGlite', () => outboxPlace(memoryDatabase));
consumerConformance('the outbox consumer on PostgreSQL', () => outboxPlace(postgresDatabase), {
  skip: withoutPostgres,
});

eachDatabase('the outbox consumer', (open) => {
  let database: TestDatabase;
  let recorder: Recorder;
  let consumer: PostgresOutboxConsumer;
  beforeEach(async () => {
    database = await open();
    await database.db.exec(TABLE);
    recorder = new Recorder();
    consumer = await openConsumer(recorder, database.db);
  });
  afterEach(async () => {
    await consumer.close();
    await database.drop();
  });
  const insert = (count: number) =>
    database.db.query(
      `INSERT INTO outbox (method, payload) SELECT 'publish', jsonb_build_object('n', n)
       FROM generate_series(0, $1::int - 1) AS n ORDER BY n`,
      [count],
    );
  const left = async () => (await database.db.query<{ n: number }>('SELECT count(*) AS n FROM outbox'))[0]?.n;

  test('a notification wakes it long before the poll interval of ten seconds', async () => {
    await consumer.start();
    const started = performance.now();
    await insert(1);
    await recorder.until(() => recorder.processed === 1);
    assert.ok(performance.now() - started < 5_000);
  });

  test('a row leaves the outbox in the step that parks it, and parking it twice keeps one', async () => {
    await database.db.query(`INSERT INTO outbox (method, payload) VALUES ('info', '{}')`);
    await consumer.start();
    await recorder.until(() => recorder.parked === 1);
    await consumer.close();
    assert.equal(await left(), 0);
    const lot = new DatabaseParkingLot(database.db, recorder.logger);
    await lot.park('test', { method: 'info', body: {}, partition: 0, position: '1', reason: 'again' });
    const parked = await database.db.query(
      'SELECT partition, position, reason FROM carillon_parked_commands',
    );
    assert.deepEqual(parked, [
      { partition: '0', position: '1', reason: 'method "info" is none that consumers may call' },
    ]);
  });

  test('parked commands are forgotten after 30 days, not before', async () => {
    const lot = new DatabaseParkingLot(database.db, recorder.logger);
    for (const position of ['1', '2'])
      await lot.park('test', { method: 'info', body: {}, partition: 0, position, reason: 'no' });
    await database.db.query(
      `UPDATE carillon_parked_commands SET parked_at = now() - CASE position WHEN '1' THEN interval '31 days'
       ELSE interval '29 days' END`,
    );
    await lot.sweep();
    assert.deepEqual(await database.db.query('SELECT position FROM carillon_parked_commands'), [
      { position: '2' },
    ]);
  });

  test('warns of rows in a partition that it never reads, leaves them, and counts what waits', async () => {
    await database.db.query(`INSERT INTO outbox (method, payload, partition) VALUES ('publish', '{}', 7)`);
    await consumer.start();
    await recorder.until(() => recorder.lags.has('messages:7'));
    assert.match(recorder.logged.join('\n'), /outside 0\.\.0/);
    assert.equal(recorder.lags.get('messages:0'), 0);
    assert.equal(await left(), 1);
  });

  test('refuses to start without its table', async () => {
    const lost = await openConsumer(recorder, database.db, { outbox_table_name: 'nowhere' });
    await assert.rejects(lost.start(), /nowhere/);
  });
});

test('two servers with pools of their own share an outbox: each row once, in order, and one may die', {
  skip: withoutPostgres,
}, async () => {
  const { db, dsn, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const second = await openDatabase({ dsn });
  const recorder = new Recorder();
  const one = await openConsumer(recorder, db, { partition_select_limit: 10 });
  const two = await openConsumer(recorder, second, { partition_select_limit: 10 });
  await one.start();
  await two.start();
  await db.query(
    `INSERT INTO outbox (method, payload) SELECT 'publish', jsonb_build_object('n', n) FROM generate_series(0, 499) AS n ORDER BY n`,
  );
  await recorder.until(() => recorder.done.length >= 100);
  await two.close();
  await recorder.until(() => recorder.processed === 500);
  assert.deepEqual(recorder.order(), upTo(500));
  await one.close();
  await second.close();
  await drop();
});

test('a LISTEN connection that was cut is mended, and rows go on', { skip: withoutPostgres }, async () => {
  const { db, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const recorder = new Recorder();
  const consumer = await openConsumer(recorder, db);
  await consumer.start();
  await db.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'carillon listen' AND datname = current_database()`,
  );
  await db.query(`INSERT INTO outbox (method, payload) VALUES ('publish', '{"n":1}')`);
  await recorder.until(() => recorder.processed === 1);
  await consumer.close();
  await drop();
});

test('an outbox that cannot be read for a while is one line of the log, and one when it can be again', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const recorder = new Recorder();
  const consumer = await openConsumer(recorder, db, { partition_poll_interval: 20 });
  await consumer.start();
  await db.exec('ALTER TABLE outbox RENAME TO elsewhere');
  await recorder.until(() => recorder.failed >= 4);
  await db.exec(
    `ALTER TABLE elsewhere RENAME TO outbox; INSERT INTO outbox (method, payload) VALUES ('publish', '{"n":1}')`,
  );
  await recorder.until(() => recorder.logged.some((line) => line.includes('answers again')));
  await recorder.until(() => recorder.processed === 1);
  const about = recorder.logged.filter((line) => line.includes('the outbox'));
  assert.equal(about.length, 2, about.join('\n'));
  assert.match(about[0] ?? '', /will try again .*"reason":"relation \\"outbox\\" does not exist/);
  await consumer.close();
  await drop();
});
