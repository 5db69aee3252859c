import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, suite, test } from 'node:test';
import { startTestPostgres } from '../../../../../scripts/setup/test-postgres.ts';
import type { Consumer } from '../../../src/consumers/consumer.ts';
import { openDatabase } from '../../../src/storage/open.ts';
import { makeCertificates } from '../../push/webpush/support.ts';
import { withoutPostgres } from '../../support/database.ts';
import { Recorder, upTo } from '../recorder.ts';
import { WalPlace } from './place.ts';

suite('starting to read the log of PostgreSQL', { skip: withoutPostgres }, () => {
  const cleanups: (() => Promise<unknown> | unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  const openPlace = async (options: Parameters<typeof WalPlace.open>[0]) => {
    const place = await WalPlace.open(options);
    cleanups.push(() => place.drop());
    return place;
  };
  const start = async (
    place: WalPlace,
    recorder: Recorder,
    options: Parameters<WalPlace['open']>[1] = {},
  ) => {
    const consumer: Consumer = await place.open(recorder, options);
    cleanups.push(() => consumer.close());
    await consumer.start();
    return consumer;
  };

  test('slot and publication are made when they are missing, the publication of inserts into that table alone', async () => {
    const place = await openPlace({ slot: false });
    const recorder = new Recorder();
    await start(place, recorder);
    await place.putNumbered(4);
    await recorder.until(() => recorder.processed === 4);
    assert.deepEqual(
      await place.db.query(
        `SELECT tablename, pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication
         JOIN pg_publication_tables USING (pubname) WHERE pubname = 'commands_pub'`,
      ),
      [{ tablename: 'commands', pubinsert: true, pubupdate: false, pubdelete: false, pubtruncate: false }],
    );
  });

  test('with create off a missing publication, then a missing slot, is refused with the SQL that makes it', async () => {
    const place = await openPlace({ slot: false });
    const recorder = new Recorder();
    const refusal = async () => {
      const consumer = await place.open(recorder, { create: false });
      cleanups.push(() => consumer.close());
      const error = await consumer.start().then(
        () => assert.fail('it started'),
        (reason: Error) => reason,
      );
      assert.match(error.message, /missing, and postgresql_wal.create is false: run /);
      return error.message.split(': run ')[1] as string;
    };
    const publication = await refusal();
    assert.match(publication, /^CREATE PUBLICATION/);
    await place.db.exec(publication);
    const slot = await refusal();
    assert.match(slot, /^SELECT pg_create_logical_replication_slot/);
    await place.db.exec(slot);
    await start(place, recorder, { create: false });
    await place.putNumbered(1);
    await recorder.until(() => recorder.processed === 1);
  });

  test('a publication without the table, or without inserts, is refused with what to run', async () => {
    const place = await openPlace({});
    await place.db.exec(`ALTER PUBLICATION commands_pub DROP TABLE commands`);
    const recorder = new Recorder();
    await assert.rejects(
      start(place, recorder),
      /ALTER PUBLICATION "commands_pub" ADD TABLE "public"."commands"/,
    );
    await place.db.exec(
      `ALTER PUBLICATION commands_pub ADD TABLE commands; ALTER PUBLICATION commands_pub SET (publish = 'delete')`,
    );
    await assert.rejects(start(place, recorder), /does not publish inserts: run ALTER PUBLICATION/);
  });

  test('a missing table or column, and a slot of another plugin or database, are refused by name', async () => {
    const place = await openPlace({});
    const other = await openPlace({});
    const recorder = new Recorder();
    await assert.rejects(
      start(place, recorder, { table_name: 'nowhere' }),
      /table_name is "nowhere": no such table/,
    );
    await assert.rejects(start(place, recorder, { slot_name: other.slot }), /is of the database test_/);
    await place.db.query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [
      `${place.slot}_x`,
    ]);
    await assert.rejects(start(place, recorder, { slot_name: `${place.slot}_x` }), /plugin test_decoding/);
    await place.db.exec('ALTER TABLE commands DROP COLUMN partition');
    await assert.rejects(start(place, recorder), /column "partition" does not exist/);
  });

  test('a role that may not replicate is refused with the SQL that lets it', async () => {
    const place = await openPlace({});
    const role = `${place.slot}_reader`;
    await place.db.exec(
      `CREATE ROLE ${role} LOGIN; GRANT ALL ON commands TO ${role}; GRANT ALL ON SCHEMA public TO ${role}`,
    );
    cleanups.push(() => place.db.exec(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
    const url = new URL(place.dsn);
    url.username = role;
    const db = await openDatabase({ dsn: url.href });
    cleanups.push(() => db.close());
    const theirs = new WalPlace(url.href, db, async () => {});
    const recorder = new Recorder();
    await assert.rejects(start(theirs, recorder), new RegExp(`run ALTER ROLE "${role}" REPLICATION`));
    await place.db.exec(`ALTER ROLE ${role} REPLICATION`);
    const consumer = await start(theirs, recorder);
    await place.putNumbered(4);
    await recorder.until(() => recorder.processed === 4);
    await consumer.close();
  });

  test('a server whose log is not a logical one is refused with what to set', async () => {
    const postgres = await startTestPostgres(['wal_level=replica']);
    cleanups.push(() => postgres.stop());
    const place = await openPlace({ server: postgres.dsn, slot: false });
    const recorder = new Recorder();
    await assert.rejects(start(place, recorder), /ALTER SYSTEM SET wal_level = 'logical', then restart/);
  });

  test('a server without room for two slots while one is made is refused with what to raise', async () => {
    const postgres = await startTestPostgres(['max_replication_slots=1']);
    cleanups.push(() => postgres.stop());
    const place = await openPlace({ server: postgres.dsn, slot: false });
    await assert.rejects(start(place, new Recorder()), /raise max_replication_slots/);
  });

  test('rows that are there before the slot are carried out first, in order, also when that is broken off', async () => {
    const place = await openPlace({ slot: false });
    await place.putNumbered(2_000);
    const recorder = new Recorder();
    const first = await start(place, recorder, { max_queue_size: 200 });
    await recorder.until(() => recorder.done.length >= 500);
    await place.putNumbered(40, 2_000);
    await first.close();
    assert.ok(recorder.done.length < 2_000, 'closed too late to be in the middle');
    assert.deepEqual(
      await place.db.query('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'),
      [],
      'no slot is left of what was not finished',
    );
    await start(place, recorder);
    await place.putNumbered(40, 2_040);
    await recorder.until(() => recorder.done.length === 2_080);
    for (const partition of upTo(4))
      assert.deepEqual(
        recorder.order(partition),
        upTo(2_080).filter((n) => n % 4 === partition),
      );
    assert.match(recorder.logged.join('\n'), /rows from before the slot are in the table, and are run first/);
    await place.until(async () => (await place.rows()) === 0);
  });

  test('several servers that start at once on a table with rows carry out each row once', async () => {
    const place = await openPlace({ slot: false });
    await place.putNumbered(400);
    const recorder = new Recorder();
    await Promise.all(upTo(3).map(() => start(place, recorder)));
    await place.putNumbered(40, 400);
    await recorder.until(() => recorder.done.length === 440);
    for (const partition of upTo(4))
      assert.deepEqual(
        recorder.order(partition),
        upTo(440).filter((n) => n % 4 === partition),
      );
  });

  test('without trimming, or when told so, rows from before the slot are left alone', async () => {
    for (const options of [{ trim: false }, { trim: false, existing_rows: 'run' as const }]) {
      const place = await openPlace({ slot: false });
      await place.putNumbered(4);
      const recorder = new Recorder();
      await start(place, recorder, options);
      await place.putNumbered(4, 4);
      await recorder.until(() => recorder.processed === 4);
      assert.deepEqual(new Set(recorder.order()), new Set([4, 5, 6, 7]));
      assert.equal(await place.rows(), 8);
    }
  });

  test('a slot that is dropped in the middle is made anew, and what the table holds is carried out: nothing is lost', async () => {
    const place = await openPlace({ slot: false });
    const recorder = new Recorder();
    const first = await start(place, recorder);
    await place.putNumbered(40);
    await recorder.until(() => recorder.processed === 40);
    await place.until(async () => (await place.rows()) === 0);
    await first.close();
    await place.putNumbered(40, 40);
    await place.db.query('SELECT pg_drop_replication_slot($1)', [place.slot]);
    await start(place, recorder);
    await recorder.until(() => recorder.processed === 80);
    assert.deepEqual(new Set(recorder.order()), new Set(upTo(80)));
  });

  test('where rows that are done cannot be told from others, a slot that went away is not made anew by itself', async () => {
    const place = await openPlace({});
    const recorder = new Recorder();
    await start(place, recorder, { trim: false });
    await place.putNumbered(4);
    await recorder.until(() => recorder.processed === 4);
    const pid = await place.readerPid();
    await place.db.exec(`DO $$ BEGIN
      PERFORM pg_terminate_backend(${pid});
      LOOP
        BEGIN PERFORM pg_drop_replication_slot('${place.slot}'); EXIT;
        EXCEPTION WHEN object_in_use THEN NULL; END;
      END LOOP;
    END $$`);
    await recorder.until(() => recorder.logged.some((line) => /is gone .*run SELECT pg_create/.test(line)));
    await place.db.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [place.slot]);
    await place.putNumbered(4, 4);
    await recorder.until(() => recorder.processed === 8);
  });

  test('over TLS, with the server’s name and certificate checked, the log comes as without, faster than it can be carried out, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'carillon-wal-tls-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const { ca, key, cert } = makeCertificates();
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const settings = ['ssl=on', `ssl_key_file=${file('key', key)}`, `ssl_cert_file=${file('cert', cert)}`];
    const root = file('ca', ca);
    // As root the tests have PostgreSQL run as the user of its package.
    if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'postgres', folder]);
    const postgres = await startTestPostgres(settings);
    cleanups.push(() => postgres.stop());
    const place = await openPlace({ server: `${postgres.dsn}?sslmode=verify-full&sslrootcert=${root}` });
    const recorder = new Recorder();
    await start(place, recorder, { max_queue_size: 100 });
    await place.putNumbered(5_000);
    await recorder.until(() => recorder.processed === 5_000);
    for (const partition of upTo(4)) assert.equal(recorder.order(partition).length, 1_250);
    const encrypted = await place.db.query('SELECT ssl FROM pg_stat_ssl WHERE pid = $1', [
      await place.readerPid(),
    ]);
    assert.deepEqual(encrypted, [{ ssl: true }]);
  });
});
