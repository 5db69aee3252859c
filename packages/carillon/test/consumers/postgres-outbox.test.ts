import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { PostgresConsumerOptions } from '../../src/config/config.ts';
import { PostgresOutboxConsumer } from '../../src/consumers/postgres-outbox.ts';
import { ApiError } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { Database } from '../../src/storage/database.ts';
import { openDatabase } from '../../src/storage/open.ts';
import { eachDatabase, postgresDatabase, type TestDatabase, withoutPostgres } from '../support/database.ts';

const TABLE = `CREATE TABLE outbox (id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL,
  partition bigint NOT NULL DEFAULT 0, created_at timestamptz DEFAULT now());
  CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM pg_notify('outbox_changed', NEW.partition::text); RETURN NEW; END $$;
  CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_notify();`;

/** A consumer with a recording dispatcher, and ways to wait for what it does. */
class Bench {
  readonly done: { method: string; n: unknown }[] = [];
  readonly logged: string[] = [];
  processed = 0;
  failed = 0;
  dispatch: (method: string, request: { n?: unknown }) => Promise<object> = async () => ({});
  readonly consumer: PostgresOutboxConsumer;
  #changed: () => void = () => {};

  constructor(db: Database, options: Partial<PostgresConsumerOptions> = {}) {
    const note = (fields: object, message: string) => {
      this.logged.push(`${message} ${JSON.stringify(fields)}`);
      this.#changed();
    };
    const logger: Logger = { debug() {}, info: note, warn: note, error: note };
    this.consumer = new PostgresOutboxConsumer({
      name: 'test',
      db,
      notificationDb: db,
      logger,
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
      isAllowed: (method) => method !== 'info',
      counters: {
        processed: (count) => {
          this.processed += count;
          this.#changed();
        },
        failed: () => {
          this.failed += 1;
        },
      },
      dispatch: async (method, request) => {
        const result = await this.dispatch(method, request as { n?: unknown });
        this.done.push({ method, n: (request as { n?: unknown } | null)?.n });
        this.#changed();
        return result;
      },
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  get order(): unknown[] {
    return this.done.map(({ n }) => n);
  }
}

eachDatabase('the outbox consumer', (open) => {
  let database: TestDatabase;
  let bench: Bench;
  beforeEach(async () => {
    database = await open();
    await database.db.exec(TABLE);
    bench = new Bench(database.db);
  });
  afterEach(async () => {
    await bench.consumer.close();
    await database.drop();
  });
  const insert = (count: number, { from = 0, partitions = 1, method = 'publish' } = {}) =>
    database.db.query(
      `INSERT INTO outbox (method, payload, partition) SELECT $1, jsonb_build_object('n', n), n % $2
       FROM generate_series($3::int, $4::int) AS n ORDER BY n`,
      [method, partitions, from, from + count - 1],
    );
  const left = async () => (await database.db.query<{ n: number }>('SELECT count(*) AS n FROM outbox'))[0]?.n;
  /** Rows are counted as processed when their commands have run; they are gone when the turn is committed, which close waits for. */
  const leftBehind = async () => {
    await bench.consumer.close();
    return left();
  };

  test('B7: runs what is there and what comes, in order, and empties the table', async () => {
    await insert(250);
    await bench.consumer.start();
    await bench.until(() => bench.processed === 250);
    await insert(10, { from: 250 });
    await bench.until(() => bench.processed === 260);
    assert.deepEqual(
      bench.order,
      Array.from({ length: 260 }, (_, n) => n),
    );
    assert.equal(await leftBehind(), 0);
  });

  test('a notification wakes it long before the poll interval of ten seconds', async () => {
    await bench.consumer.start();
    const started = performance.now();
    await insert(1);
    await bench.until(() => bench.processed === 1);
    assert.ok(performance.now() - started < 2_000);
  });

  test('B4: a row that fails for now holds up its partition and keeps the order, and no other partition', async () => {
    bench = new Bench(database.db, { num_partitions: 2 });
    let failures = 0;
    bench.dispatch = async (_method, { n }) => {
      if (n === 2 && failures < 3) {
        failures += 1;
        throw new ApiError('internal');
      }
      return {};
    };
    await insert(10, { partitions: 2 });
    await bench.consumer.start();
    await bench.until(() => bench.processed === 10);
    const of = (parity: number) => bench.order.filter((n) => (n as number) % 2 === parity);
    assert.deepEqual(of(0), [0, 2, 4, 6, 8]);
    assert.deepEqual(of(1), [1, 3, 5, 7, 9]);
    assert.equal(bench.failed, 3);
    assert.equal(await leftBehind(), 0);
  });

  test('a row that can never succeed is skipped, and the log says which and why', async () => {
    bench.dispatch = async (_method, { n }) => {
      if (n === 1) throw new ApiError('badRequest', 'channel: is required');
      return {};
    };
    await insert(3);
    await database.db.query(
      `INSERT INTO outbox (method, payload) VALUES ('', '"text"'), ('info', '{}'), ('', '{"method":"publish","payload":"{\\"n\\":9}"}')`,
    );
    await bench.consumer.start();
    await bench.until(() => bench.processed === 6);
    assert.deepEqual(bench.order, [0, 2, 9]);
    const log = bench.logged.join('\n');
    assert.match(
      log,
      /row can never succeed, skipped .*"method":"publish","reason":"bad request: channel: is required"/,
    );
    assert.match(log, /no method for consumers, row skipped .*"method":"info"/);
    assert.equal(await leftBehind(), 0);
  });

  test('what was done before a failure is not done again', async () => {
    let broken = true;
    bench.dispatch = async (_method, { n }) => {
      if (n === 3 && broken) throw new ApiError('internal');
      return {};
    };
    await insert(5);
    await bench.consumer.start();
    await bench.until(() => bench.failed >= 1 && bench.processed === 3);
    await bench.consumer.close();
    assert.equal(await left(), 2);
    broken = false;
    const next = new Bench(database.db);
    await next.consumer.start();
    await next.until(() => next.processed === 2);
    assert.deepEqual([...bench.order, ...next.order], [0, 1, 2, 3, 4]);
    await next.consumer.close();
  });

  test('warns of rows in a partition that it never reads, and leaves them', async () => {
    await database.db.query(`INSERT INTO outbox (method, payload, partition) VALUES ('publish', '{}', 7)`);
    await bench.consumer.start();
    await bench.until(() => bench.logged.some((line) => line.includes('outside 0..0')));
    assert.equal(await left(), 1);
  });

  test('refuses to start without its table', async () => {
    const lost = new Bench(database.db, { outbox_table_name: 'nowhere' });
    await assert.rejects(lost.consumer.start(), /nowhere/);
  });
});

test('two servers share an outbox: each row once, in order, and one may die', {
  skip: withoutPostgres,
}, async () => {
  const { db, dsn, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const second = await openDatabase({ dsn });
  const benches = [
    new Bench(db, { partition_select_limit: 10 }),
    new Bench(second, { partition_select_limit: 10 }),
  ];
  const order: unknown[] = [];
  for (const bench of benches) {
    bench.dispatch = async (_method, { n }) => {
      order.push(n);
      return {};
    };
    await bench.consumer.start();
  }
  await db.query(
    `INSERT INTO outbox (method, payload) SELECT 'publish', jsonb_build_object('n', n) FROM generate_series(0, 499) AS n ORDER BY n`,
  );
  const [one, two] = benches as [Bench, Bench];
  await one.until(() => order.length >= 100);
  await two.consumer.close();
  await one.until(() => one.processed + two.processed === 500);
  assert.deepEqual(
    order,
    Array.from({ length: 500 }, (_, n) => n),
  );
  await one.consumer.close();
  await second.close();
  await drop();
});

test('a LISTEN connection that was cut is mended, and rows go on', { skip: withoutPostgres }, async () => {
  const { db, drop } = await postgresDatabase();
  await db.exec(TABLE);
  const bench = new Bench(db);
  await bench.consumer.start();
  await db.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'carillon listen' AND datname = current_database()`,
  );
  await db.query(`INSERT INTO outbox (method, payload) VALUES ('publish', '{"n":1}')`);
  await bench.until(() => bench.processed === 1);
  await bench.consumer.close();
  await drop();
});
