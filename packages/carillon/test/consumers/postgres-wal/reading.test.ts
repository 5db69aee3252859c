import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import type { Consumer } from '../../../src/consumers/consumer.ts';
import { ApiError } from '../../../src/errors.ts';
import { withoutPostgres } from '../../support/database.ts';
import { Recorder, upTo } from '../recorder.ts';
import { WalPlace } from './place.ts';

suite('reading the log of PostgreSQL', { skip: withoutPostgres }, () => {
  let place: WalPlace;
  let recorder: Recorder;
  const consumers: Consumer[] = [];
  const start = async (options: Parameters<WalPlace['open']>[1] = {}, by = recorder) => {
    const consumer = await place.open(by, options);
    consumers.push(consumer);
    await consumer.start();
    return consumer;
  };
  beforeEach(async () => {
    place = await WalPlace.open();
    recorder = new Recorder();
  });
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.close()));
    await place.drop();
  });
  const confirmed = async () => {
    const [row] = await place.db.query<{ behind: number }>(
      `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8 AS behind
       FROM pg_replication_slots WHERE slot_name = $1`,
      [place.slot],
    );
    return row?.behind ?? Number.NaN;
  };

  test('updates, deletes, truncates, other tables and rolled back rows do not disturb', async () => {
    await place.db.exec("ALTER PUBLICATION commands_pub SET (publish = 'insert, update, delete, truncate')");
    await place.db.exec('CREATE TABLE other (id int); ALTER PUBLICATION commands_pub ADD TABLE other');
    await start({ trim: false });
    await place.putNumbered(4);
    await place.db.exec(`
      UPDATE commands SET payload = '{"n":77}'; DELETE FROM commands WHERE partition = 1; TRUNCATE commands;
      INSERT INTO other VALUES (1);
      BEGIN; INSERT INTO commands (method, payload) VALUES ('publish', '{"n":78}'); ROLLBACK;
      BEGIN; INSERT INTO commands (method, payload) VALUES ('publish', '{"n":4}'); DELETE FROM commands; COMMIT;`);
    await place.putNumbered(1, 5);
    await recorder.until(() => recorder.processed === 6);
    assert.deepEqual(new Set(recorder.order()), new Set(upTo(6)));
  });

  test('columns may be added, and a text column may carry the payload', async () => {
    await start();
    await place.putNumbered(1);
    await place.db.exec(
      `ALTER TABLE commands ADD COLUMN extra int DEFAULT 7, ALTER COLUMN payload TYPE text`,
    );
    await place.db.exec(
      `INSERT INTO commands (method, payload) VALUES ('publish', '{"n":4}'), ('', '{"method":"publish","payload":{"n":8}}')`,
    );
    await recorder.until(() => recorder.processed === 3);
    assert.deepEqual(recorder.order(0), [0, 4, 8]);
  });

  test('a row without a payload, after the table lost the column, is parked with its reason', async () => {
    await start();
    await place.putNumbered(1);
    await recorder.until(() => recorder.processed === 1);
    await place.db.exec(`ALTER TABLE commands DROP COLUMN payload`);
    await place.db.exec(`INSERT INTO commands (method) VALUES ('')`);
    await recorder.until(() => recorder.processed === 2);
    assert.deepEqual(
      (await place.parked()).map(({ reason }) => reason),
      ['the row has no payload'],
    );
  });

  test('reading stops while too many rows wait, the server is answered meanwhile, and nothing is lost', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    recorder.dispatch = () => gate;
    let most = 0;
    const { lag } = recorder.counters;
    recorder.counters.lag = (unit, partition, value) => {
      if (unit === 'messages') most = Math.max(most, value);
      lag(unit, partition, value);
    };
    await place.putNumbered(20_000);
    await start({ max_queue_size: 100, status_interval: 100 });
    await place.until(async () => (recorder.lags.get('messages:') ?? 0) > 0);
    const reader = await place.readerPid();
    const since = performance.now();
    await place.until(async () => performance.now() - since > 1_500);
    assert.equal(await place.readerPid(), reader, 'the connection outlives a pause of many intervals');
    // Besides the queue, what was in the socket's buffer of 64 KB when reading stopped.
    assert.ok(most < 100 + 1_000, `${most} rows waited`);
    open();
    await recorder.until(() => recorder.processed === 20_000);
    for (const partition of upTo(4)) assert.equal(recorder.order(partition).length, 5_000);
  });

  test('a transaction of 100 000 rows and 200 MB takes no more memory than the queue allows', async (context) => {
    const rows = 100_000;
    await place.db.exec(`INSERT INTO commands (method, payload, partition)
      SELECT 'publish', jsonb_build_object('n', n, 'partition', n % 4, 'text', repeat(md5(n::text), 62)), n % 4
      FROM generate_series(0, ${rows - 1}) AS n ORDER BY n`);
    global.gc?.();
    const before = process.memoryUsage();
    let peak = 0;
    let next = [0, 1, 2, 3];
    recorder.dispatch = (_method, { n, partition = 0 }) => {
      assert.equal(n, next[partition]);
      next = next.with(partition, n + 4);
      if (n % 500 === 0) {
        const { heapUsed, external } = process.memoryUsage();
        peak = Math.max(peak, heapUsed + external - before.heapUsed - before.external);
      }
      // So that the log comes faster than commands run.
      return new Promise((resolve) => setImmediate(resolve));
    };
    await start({ trim: false, max_queue_size: 1_000 });
    await recorder.until(() => recorder.processed === rows);
    context.diagnostic(`at most ${Math.round(peak / 1e6)} MB more`);
    assert.ok(peak < 150e6, `${peak} bytes more`);
  });

  test('the position moves on over the log of other tables while no command comes', async () => {
    await place.db.exec('CREATE TABLE other (text text)');
    await start();
    await place.db.exec(`INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 2000)`);
    assert.ok((await confirmed()) >= 0);
    await place.until(async () => (await confirmed()) < 100_000);
    assert.equal(recorder.processed, 0);
  });

  test('a row that waits holds the position: what is behind it comes again only as far as it was not settled', async () => {
    let isAway = true;
    recorder.dispatch = (_method, { n }) => {
      if (n === 0 && isAway) throw new ApiError('unavailable');
    };
    const first = await start();
    await place.putNumbered(40);
    await recorder.until(() => recorder.done.length === 30);
    await first.close();
    assert.equal(await place.pending(), 40, 'the slot keeps all of it');
    isAway = false;
    await start();
    await recorder.until(() => recorder.done.length === 40);
    assert.deepEqual(
      recorder.order(0),
      upTo(10).map((n) => n * 4),
    );
    assert.equal(new Set(recorder.order()).size, 40);
  });

  test('a connection that is cut comes back, with one line in the log for each change, and nothing is lost or repeated', async () => {
    await start();
    await place.putNumbered(100);
    await recorder.until(() => recorder.processed === 100);
    for (const turn of [1, 2, 3]) {
      const pid = await place.readerPid();
      await place.db.query('SELECT pg_terminate_backend($1)', [pid]);
      await place.putNumbered(100, turn * 100);
      await recorder.until(() => recorder.processed === 100 * (turn + 1));
    }
    for (const partition of upTo(4))
      assert.deepEqual(
        recorder.order(partition),
        upTo(400).filter((n) => n % 4 === partition),
      );
    const count = (words: RegExp) => recorder.logged.filter((line) => words.test(line)).length;
    assert.equal(count(/reads the log/), 4);
    assert.equal(count(/cannot read the log/), 3);
  });
});
