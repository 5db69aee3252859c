import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, suite, test } from 'node:test';
import { startTestPostgres } from '../../../../../scripts/setup/test-postgres.ts';
import { withoutPostgres } from '../../support/database.ts';
import { Recorder, upTo } from '../recorder.ts';
import { noteSeen, WalPlace } from './place.ts';

const CHILD = new URL('./reader-child.ts', import.meta.url).pathname;

suite('a crash of whoever reads the log, or of PostgreSQL', { skip: withoutPostgres }, () => {
  const cleanups: (() => Promise<unknown> | unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  const openPlace = async (server?: string) => {
    const place = await WalPlace.open(server ? { server } : {});
    cleanups.push(() => place.drop());
    return place;
  };
  const startChild = (place: WalPlace, env: Record<string, string> = {}): ChildProcess => {
    const child = spawn(process.execPath, [CHILD], {
      stdio: 'inherit',
      env: { ...process.env, DSN: place.dsn, ...env },
    });
    cleanups.push(() => end(child));
    return child;
  };
  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const count = async (place: WalPlace) =>
    (await place.db.query<{ n: number }>('SELECT count(*) AS n FROM seen'))[0]?.n ?? 0;
  /** Every number was seen, each partition in order when repeats are left out; gives back how many were repeats. */
  const assertAllSeen = async (place: WalPlace, total: number) => {
    const seen = await place.seen();
    for (const number of upTo(4))
      assert.deepEqual(
        [...new Set(seen.filter(({ partition }) => partition === number).map(({ n }) => n))],
        upTo(total).filter((n) => n % 4 === number),
      );
    return seen.length - total;
  };
  const allSeen = (place: WalPlace, total: number) => async () =>
    ((await place.db.query<{ n: number }>('SELECT count(DISTINCT n) AS n FROM seen'))[0]?.n ?? 0) === total;

  test('killed in the middle, three times, it loses nothing and keeps the order', async (context) => {
    const place = await openPlace();
    const total = 4_000;
    await place.putNumbered(total);
    for (const turn of [1, 2, 3]) {
      const child = startChild(place, { DELAY_MS: '2' });
      await place.until(async () => (await count(place)) >= turn * 300);
      await end(child);
    }
    assert.ok((await count(place)) < total, 'killed too late to be in the middle');
    startChild(place);
    await place.until(allSeen(place, total));
    const repeated = await assertAllSeen(place, total);
    context.diagnostic(`${repeated} of ${total} were repeated`);
  });

  test('of one large transaction a crash repeats what was settled since the last note, not all of it', async (context) => {
    const place = await openPlace();
    const total = 3_000;
    await place.db.exec(`INSERT INTO commands (method, payload, partition)
      SELECT 'publish', jsonb_build_object('n', n, 'partition', n % 4), n % 4 FROM generate_series(0, ${total - 1}) n ORDER BY n`);
    const child = startChild(place, { DELAY_MS: '5' });
    const noted = async () =>
      (
        await place.db
          .query<{ n: number }>('SELECT count(*) AS n FROM carillon_wal_progress WHERE slot = $1', [
            place.slot,
          ])
          .catch(() => [{ n: 0 }])
      )[0]?.n ?? 0;
    await place.until(async () => (await noted()) > 0 && (await count(place)) > 200);
    await end(child);
    const before = await count(place);
    const [note] = await place.db.query<{ settled: { partitions: Record<string, [string, number]> } }>(
      'SELECT settled FROM carillon_wal_progress',
    );
    // The last settled row of each of four partitions, whose rows follow each other by turns.
    const inNote = Object.values(note?.settled.partitions ?? {}).map(([, index]) => index);
    assert.equal(inNote.length, 4);
    const settled = inNote.reduce((sum, index) => sum + Math.floor(index / 4) + 1, 0);
    startChild(place);
    await place.until(allSeen(place, total));
    const repeated = await assertAllSeen(place, total);
    context.diagnostic(`${before} were done, ${settled} of them noted, ${repeated} repeated`);
    assert.ok(repeated <= before - settled, `${repeated} repeated`);
  });

  test('a server that stands by takes over when the reader is killed', async (context) => {
    const place = await openPlace();
    const child = startChild(place, { DELAY_MS: '1' });
    await place.until(async () => (await place.readerPid()) !== null);
    const recorder = new Recorder();
    recorder.dispatch = (_method, request) => noteSeen(place.db, request);
    const standby = await place.open(recorder);
    cleanups.push(() => standby.close());
    await standby.start();
    assert.match(recorder.logged.join('\n'), /another server reads the slot, this one stands by/);
    await place.putNumbered(1_000);
    await place.until(async () => (await count(place)) >= 100);
    await end(child);
    const killed = performance.now();
    await recorder.until(() => recorder.processed > 0);
    context.diagnostic(`took over after ${Math.round(performance.now() - killed)} ms`);
    await place.until(allSeen(place, 1_000));
    await assertAllSeen(place, 1_000);
  });

  test('a reader that is frozen loses the slot after three status intervals, and stands by when it thaws', async (context) => {
    const place = await openPlace();
    const child = startChild(place, { STATUS_INTERVAL: '200' });
    cleanups.push(() => child.kill('SIGCONT'));
    await place.until(async () => (await place.readerPid()) !== null);
    const recorder = new Recorder();
    recorder.dispatch = (_method, request) => noteSeen(place.db, request);
    const standby = await place.open(recorder, { status_interval: 200 });
    cleanups.push(() => standby.close());
    await standby.start();
    child.kill('SIGSTOP');
    const frozen = performance.now();
    await place.putNumbered(100);
    await recorder.until(() => recorder.processed === 100);
    context.diagnostic(`took over after ${Math.round(performance.now() - frozen)} ms`);
    child.kill('SIGCONT');
    const reader = await place.readerPid();
    await place.putNumbered(100, 100);
    await recorder.until(() => recorder.processed === 200);
    assert.equal(await place.readerPid(), reader);
    await assertAllSeen(place, 200);
  });

  test('PostgreSQL killed and started again: what was committed is carried out, and what was settled is not repeated', async () => {
    const postgres = await startTestPostgres();
    cleanups.push(() => postgres.stop());
    const place = await openPlace(postgres.dsn);
    const recorder = new Recorder();
    const consumer = await place.open(recorder, { status_interval: 500 });
    cleanups.push(() => consumer.close());
    await consumer.start();
    for (const turn of upTo(3)) {
      await place.putNumbered(400, turn * 400);
      await recorder.until(() => recorder.processed >= 401 * turn + 400);
      // What is settled is noted each second: until then a crash would repeat it. One more row makes one more note.
      const [before] = await place.db.query<{ at: Date }>('SELECT clock_timestamp() AS at');
      await place.put([{ method: 'publish', payload: { n: 10_000 + turn, partition: 9 }, partition: 9 }]);
      await place.until(
        async () =>
          (await place.db.query('SELECT FROM carillon_wal_progress WHERE noted_at > $1', [before?.at]))
            .length > 0,
      );
      await recorder.until(() => recorder.processed >= 401 * (turn + 1));
      await postgres.kill();
      postgres.start();
    }
    await place.putNumbered(40, 1_200);
    await recorder.until(() => recorder.order().includes(1_239));
    await recorder.until(() => upTo(4).every((number) => recorder.order(number).length >= 310));
    for (const partition of upTo(4))
      assert.deepEqual(
        recorder.order(partition),
        upTo(1_240).filter((n) => n % 4 === partition),
      );
    assert.deepEqual([...new Set(recorder.order(9))], [10_000, 10_001, 10_002]);
    assert.match(recorder.logged.join('\n'), /cannot read the log, will try again/);
  });
});
