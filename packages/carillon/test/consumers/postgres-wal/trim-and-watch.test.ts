import assert from 'node:assert/strict';
import { afterEach, suite, test } from 'node:test';
import pg from 'pg';
import { startTestPostgres } from '../../../../../scripts/setup/test-postgres.ts';
import { SlotWatch } from '../../../src/consumers/postgres-wal/slot-watch.ts';
import { withoutPostgres } from '../../support/database.ts';
import { startServer } from '../../support/server.ts';
import { Recorder, upTo } from '../recorder.ts';
import { WalPlace } from './place.ts';

suite('the table and the log behind the WAL consumer', { skip: withoutPostgres }, () => {
  const cleanups: (() => Promise<unknown> | unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  const openPlace = async (server?: string) => {
    const place = await WalPlace.open(server ? { server } : {});
    cleanups.push(() => place.drop());
    return place;
  };
  const start = async (
    place: WalPlace,
    recorder: Recorder,
    options: Parameters<WalPlace['open']>[1] = {},
  ) => {
    const consumer = await place.open(recorder, options);
    cleanups.push(() => consumer.close());
    await consumer.start();
    return consumer;
  };
  const numbers = async (place: WalPlace) =>
    (await place.db.query<{ n: number }>(`SELECT (payload->>'n')::int AS n FROM commands ORDER BY id`)).map(
      ({ n }) => n,
    );

  test('rows are deleted when their commands have taken effect, and deletions are not published', async () => {
    const place = await openPlace();
    const recorder = new Recorder();
    const consumer = await start(place, recorder);
    await place.putNumbered(25_000);
    await recorder.until(() => recorder.processed === 25_000);
    await place.until(async () => (await place.rows()) === 0);
    await consumer.close();
    assert.equal(recorder.processed, 25_000);
  });

  test('a row with a low id that is committed late is carried out, and is not deleted before', async () => {
    const place = await openPlace();
    const recorder = new Recorder();
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    recorder.dispatch = (_method, { n }) => (n === 0 ? gate : undefined);
    await start(place, recorder);
    const late = new pg.Client({ connectionString: place.dsn });
    await late.connect();
    cleanups.push(() => late.end());
    await late.query(`BEGIN; INSERT INTO commands (method, payload) VALUES ('publish', '{"n":0}')`);
    await place.putNumbered(20, 1);
    await recorder.until(() => recorder.processed === 20);
    await place.until(async () => (await place.rows()) === 0);
    await late.query('COMMIT');
    // Later rows of other partitions are done, and have higher ids than the one that waits.
    await place.db.exec(`INSERT INTO commands (method, payload, partition) SELECT 'publish', jsonb_build_object('n', n), 1
      FROM generate_series(21, 40) AS n ORDER BY n`);
    await recorder.until(() => recorder.processed === 40);
    const looked = performance.now();
    await place.until(async () => performance.now() - looked > 500);
    assert.ok((await numbers(place)).includes(0), 'it is not deleted while its command runs');
    release();
    await recorder.until(() => recorder.processed === 41);
    await place.until(async () => (await place.rows()) === 0);
  });

  test('rows that a reader left behind are deleted by the next one', async () => {
    const place = await openPlace();
    const recorder = new Recorder();
    const first = await start(place, recorder, { trim: false });
    await place.putNumbered(40);
    await recorder.until(() => recorder.processed === 40);
    await first.close();
    assert.equal(await place.rows(), 40);
    await start(place, recorder);
    await place.until(async () => (await place.rows()) === 0);
    assert.equal(recorder.done.length, 40);
  });

  test('lag, retained log and waiting rows are told; more than lag_warning_size is warned of, once', async () => {
    const place = await openPlace();
    const recorder = new Recorder();
    const watch = new SlotWatch({
      name: 'test',
      slot: place.slot,
      db: place.db,
      enabled: true,
      lagWarningSize: 1_000_000,
      interval: 20,
      counters: recorder.counters,
      logger: recorder.logger,
    });
    cleanups.push(() => watch.stop());
    await place.db.exec(`CREATE TABLE other AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)`);
    await place.until(async () => (recorder.lags.get('bytes:') ?? 0) > 2_000_000);
    const warnings = () => recorder.logged.filter((line) => line.includes('more of PostgreSQL')).length;
    assert.equal(warnings(), 1);
    assert.ok(recorder.retained >= (recorder.lags.get('bytes:') ?? 0));
    await start(place, recorder);
    await place.until(async () => (recorder.lags.get('bytes:') ?? 0) < 1_000_000);
    assert.equal(warnings(), 1);
  });

  test('a slot whose consumer is disabled is warned of at the start of any server', async () => {
    const place = await openPlace();
    const recorder = new Recorder();
    const server = await startServer(
      {
        consumers: [
          {
            name: 'orders',
            enabled: false,
            type: 'postgresql_wal',
            postgresql_wal: { dsn: place.dsn, table_name: 'commands', slot_name: place.slot },
          },
        ],
      },
      { logger: recorder.logger },
    );
    cleanups.push(() => server.close());
    await recorder.until(() =>
      recorder.logged.some((line) =>
        /it is disabled, but its slot is there .*pg_drop_replication_slot/.test(line),
      ),
    );
  });

  test('a slot whose consumer was taken out of the configuration is warned of at the start of the server on its database', async () => {
    const place = await openPlace();
    const database = { enabled: true, postgresql: { dsn: place.dsn } };
    const start = async (consumers: object[]) => {
      const recorder = new Recorder();
      const server = await startServer({ database, consumers }, { logger: recorder.logger });
      cleanups.push(() => server.close());
      return { recorder, server };
    };
    const consumer = {
      name: 'orders',
      enabled: true,
      type: 'postgresql_wal',
      postgresql_wal: { table_name: 'commands', slot_name: place.slot, publication_name: 'commands_pub' },
    };
    const { recorder, server } = await start([consumer]);
    await place.put([{ method: 'publish', payload: { channel: 'news', data: 1 } }]);
    const noted = 'SELECT FROM carillon_wal_progress WHERE slot = $1';
    await place.until(async () => (await place.db.query(noted, [place.slot])).length > 0);
    assert.ok(!recorder.logged.some((line) => /no consumer/.test(line)));
    await server.close();
    const active = 'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active';
    await place.until(async () => (await place.db.query(active, [place.slot])).length === 0);
    for (const [consumers, warnings] of [
      [[], 1],
      [[{ ...consumer, enabled: false }], 0],
    ] as const) {
      const next = await start([...consumers]);
      const said = next.recorder.logged.filter((line) => /no consumer of the configuration reads/.test(line));
      assert.equal(said.length, warnings);
      assert.ok(said.every((line) => line.includes(`pg_drop_replication_slot('${place.slot}')`)));
      await next.server.close();
    }
  });

  test('a slot whose log PostgreSQL has thrown away is told, with what to do; after that nothing of the table is lost', async () => {
    const postgres = await startTestPostgres([
      'max_slot_wal_keep_size=1MB',
      'min_wal_size=32MB',
      'max_wal_size=32MB',
    ]);
    cleanups.push(() => postgres.stop());
    const place = await openPlace(postgres.dsn);
    await place.putNumbered(40);
    await place.db.exec('CREATE TABLE other (text text)');
    await place.until(async () => {
      await place.db.exec(`INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 20000)`);
      await place.db.exec('CHECKPOINT');
      const [slot] = await place.db.query<{ wal_status: string }>(
        'SELECT wal_status FROM pg_replication_slots',
      );
      return slot?.wal_status === 'lost';
    });
    const recorder = new Recorder();
    await assert.rejects(start(place, recorder), /is lost\. Run SELECT pg_drop_replication_slot/);
    await place.db.query('SELECT pg_drop_replication_slot($1)', [place.slot]);
    await start(place, recorder);
    await recorder.until(() => recorder.processed === 40);
    for (const partition of upTo(4)) assert.equal(recorder.order(partition).length, 10);
  });
});
