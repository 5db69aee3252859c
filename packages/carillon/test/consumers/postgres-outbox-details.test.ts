import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresOutboxConsumer } from '../../src/consumers/postgres-outbox.ts';
import { openDatabase } from '../../src/storage/open.ts';
import { postgresDatabase, withoutPostgres } from '../support/database.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { openOutboxConsumer, TABLE } from './outbox-support.ts';
import { Recorder, upTo } from './recorder.ts';

test('two servers with pools of their own share an outbox: each row once, in order, and one may die', {
  skip: withoutPostgres,
}, async () => {
  const { db, dsn, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const second = await openDatabase({ dsn });
  const recorder = new Recorder();
  const one = await openOutboxConsumer(recorder, db, { partition_select_limit: 10 });
  const two = await openOutboxConsumer(recorder, second, { partition_select_limit: 10 });
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
  const consumer = await openOutboxConsumer(recorder, db);
  await consumer.start();
  await db.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'carillon listen' AND datname = current_database()`,
  );
  const cut = performance.now();
  await db.query(`INSERT INTO outbox (method, payload) VALUES ('publish', '{"n":1}')`);
  await recorder.until(() => recorder.processed === 1);
  assert.ok(performance.now() - cut < 5_000, 'long before the poll interval of ten seconds');
  await consumer.close();
  await drop();
});

test('rows whose deletion cannot be committed run again, and count when it can', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  const recorder = new Recorder();
  let consumer: PostgresOutboxConsumer | undefined;
  try {
    await db.exec(`${TABLE}
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
      CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON outbox DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse();
      INSERT INTO outbox (method, payload) VALUES ('publish', '{"n":0}'), ('info', '{}'), ('publish', '{"n":1}');`);
    consumer = await openOutboxConsumer(recorder, db);
    await consumer.start();
    await recorder.until(() => recorder.logged.some((line) => line.includes('not now')));
    assert.deepEqual([recorder.processed, recorder.parked], [0, 0]);
    await db.exec('DROP TRIGGER refuse ON outbox');
    await recorder.until(() => recorder.processed > 0);
    assert.deepEqual([recorder.processed, recorder.parked], [3, 1]);
    assert.ok(recorder.done.length > 2);
  } finally {
    await consumer?.close();
    await drop();
  }
});

test('with use_try_lock a partition that another server has is left alone, without an error and without a wait for its lock', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  const recorder = new Recorder();
  let consumer: PostgresOutboxConsumer | undefined;
  try {
    await db.exec(TABLE);
    consumer = await openOutboxConsumer(recorder, db, {
      num_partitions: 2,
      partition_poll_interval: 20,
      use_try_lock: true,
    });
    const put = (partition: number) =>
      db.query(`INSERT INTO outbox (method, payload, partition) VALUES ('publish', '{"n":1}', $1)`, [
        partition,
      ]);
    await db.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(hashtext('centrifugo_partition_lock_test0'))`);
      await consumer?.start();
      await put(0);
      for (let n = 1; n <= 5; n++) {
        await put(1);
        await recorder.until(() => recorder.processed === n);
      }
      const waiting = await db.query(
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      assert.deepEqual(waiting, []);
      assert.equal((await db.query('SELECT id FROM outbox')).length, 1);
    });
    await recorder.until(() => recorder.processed === 6);
    assert.equal(recorder.failed, 0);
  } finally {
    await consumer?.close();
    await drop();
  }
});

test('a whole server listens by an address of its own; one idempotency key by API and outbox is one publication; counters begin at 0', {
  skip: withoutPostgres,
}, async () => {
  const { db, dsn, drop } = await postgresDatabase();
  const role = `listener_${new URL(dsn).pathname.slice(1)}`;
  let server: TestServer | undefined;
  try {
    await db.exec(`${TABLE} CREATE ROLE ${role} LOGIN`);
    const listening = new URL(dsn);
    listening.username = role;
    server = await startServer({
      channel: { without_namespace: { history_size: 10, history_ttl: '60s' } },
      prometheus: { enabled: true },
      consumers: [
        {
          name: 'orders',
          enabled: true,
          type: 'postgresql',
          postgresql: {
            dsn,
            outbox_table_name: 'outbox',
            partition_poll_interval: '1h',
            partition_notification_channel: 'outbox_changed',
            partition_notification_dsn: listening.href,
          },
        },
      ],
    });
    const { call, carillon } = server;
    const metrics = async () => (await fetch(`${carillon.url}/metrics`)).text();
    assert.match(await metrics(), /consumers_messages_processed_total\{consumer_name="orders"\} 0\n/);
    assert.match(await metrics(), /consumers_errors_total\{consumer_name="orders"\} 0\n/);
    assert.deepEqual(
      await db.query(
        `SELECT usename FROM pg_stat_activity WHERE application_name = 'carillon listen' AND datname = current_database()`,
      ),
      [{ usename: role }],
    );
    await call('publish', { channel: 'news', data: { n: 1 }, idempotency_key: 'one' });
    await db.query(
      `INSERT INTO outbox (method, payload) VALUES
       ('publish', '{"channel":"news","data":{"n":1},"idempotency_key":"one"}'),
       ('', '{"method":"publish","payload":{"channel":"news","data":{"n":2},"idempotency_key":"two"}}')`,
    );
    while (!/messages_processed_total\{consumer_name="orders"\} 2\n/.test(await metrics())) await delay(10);
    await call('publish', { channel: 'news', data: { n: 2 }, idempotency_key: 'two' });
    const { result } = (await call('history', { channel: 'news', limit: 10 })) as {
      result: { publications: { data: unknown }[] };
    };
    assert.deepEqual(
      result.publications.map(({ data }) => data),
      [{ n: 1 }, { n: 2 }],
    );
  } finally {
    await server?.close();
    await db.exec(`DROP ROLE IF EXISTS ${role}`);
    await drop();
  }
});

test('an outbox that cannot be read for a while is one line of the log, and one when it can be again', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const recorder = new Recorder();
  const consumer = await openOutboxConsumer(recorder, db, { partition_poll_interval: 20 });
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
