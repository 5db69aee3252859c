import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { DatabaseParkingLot } from '../../src/consumers/parking.ts';
import type { PostgresOutboxConsumer } from '../../src/consumers/postgres-outbox.ts';
import {
  eachDatabase,
  memoryDatabase,
  postgresDatabase,
  type TestDatabase,
  withoutPostgres,
} from '../support/database.ts';
import { type ConsumerPlace, consumerConformance, type Parked } from './conformance.ts';
import { openOutboxConsumer, TABLE } from './outbox-support.ts';
import { Recorder } from './recorder.ts';

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
    open: (recorder, runnerOptions) => openOutboxConsumer(recorder, db, { num_partitions: 4 }, runnerOptions),
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
    consumer = await openOutboxConsumer(recorder, database.db);
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

  test('notifications that name no partition of it are told of, and the next right one wakes it', async () => {
    await consumer.start();
    await database.db.exec(`NOTIFY outbox_changed, 'all'; NOTIFY outbox_changed, '1'`);
    const told = () => recorder.logged.filter((line) => line.includes('names no partition'));
    await recorder.until(() => told().length === 2);
    const started = performance.now();
    await insert(1);
    await recorder.until(() => recorder.processed === 1);
    assert.ok(performance.now() - started < 5_000);
  });

  test('refuses to start without its table', async () => {
    const lost = await openOutboxConsumer(recorder, database.db, { outbox_table_name: 'nowhere' });
    await assert.rejects(lost.start(), /nowhere/);
  });
});
