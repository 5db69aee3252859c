import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { migrate } from '../../src/storage/migrate.ts';
import { openDatabase } from '../../src/storage/open.ts';
import { eachDatabase, postgresDatabase, type TestDatabase, withoutPostgres } from '../support/database.ts';

eachDatabase('the database', (open) => {
  let shared: Promise<TestDatabase> | undefined;
  const database = async () => {
    shared ??= open();
    return (await shared).db;
  };
  after(async () => (await shared)?.drop());

  test('gives int8 as numbers, timestamps as dates, JSON parsed and bytes as bytes', async () => {
    const [row] = await (await database()).query<Record<string, unknown>>(
      `SELECT 9007199254740991::int8 AS big, to_timestamp(1) AS at, '{"a":[1]}'::jsonb AS json, '\\x00ff'::bytea AS bytes,
              ARRAY[1,2]::int8[] AS ids`,
    );
    assert.ok(row);
    assert.equal(row.big, Number.MAX_SAFE_INTEGER);
    assert.equal((row.at as Date).toISOString(), '1970-01-01T00:00:01.000Z');
    assert.deepEqual(row.json, { a: [1] });
    assert.deepEqual(Array.from(row.bytes as Uint8Array), [0, 255]);
    assert.deepEqual(row.ids, [1, 2]);
  });

  test('takes sets as text arrays and as one JSON parameter', async () => {
    const db = await database();
    const names = await db.query('SELECT * FROM unnest($1::text[]) AS name', [['a', 'b"{}\\']]);
    assert.deepEqual(names, [{ name: 'a' }, { name: 'b"{}\\' }]);
    const rows = await db.query('SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id int8, v jsonb)', [
      JSON.stringify([{ id: 1, v: 'text' }]),
    ]);
    assert.deepEqual(rows, [{ id: 1, v: 'text' }]);
  });

  test('rolls a transaction back when its work throws', async () => {
    const db = await database();
    await db.exec('CREATE TABLE rolled (id int)');
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.query('INSERT INTO rolled VALUES (1)');
        throw new Error('no');
      }),
      /^Error: no$/,
    );
    assert.deepEqual(await db.query('SELECT * FROM rolled'), []);
  });

  test('applies each migration once and in order', async () => {
    const db = await database();
    const steps = [
      { name: '001', sql: 'CREATE TABLE steps (n int); INSERT INTO steps VALUES (1)' },
      { name: '002', sql: 'INSERT INTO steps VALUES (2)' },
    ];
    assert.deepEqual(await migrate(db, 'test', steps.slice(0, 1)), ['001']);
    const runs = await Promise.all([migrate(db, 'test', steps), migrate(db, 'test', steps)]);
    assert.deepEqual(runs.flat(), ['002']);
    assert.deepEqual(await db.query('SELECT n FROM steps ORDER BY n'), [{ n: 1 }, { n: 2 }]);
  });

  test('delivers a notification to its listeners until they stop', async () => {
    const db = await database();
    const heard: (string | undefined)[] = [];
    let wake = () => {};
    const stop = await db.listen('Mixed_Case', (payload) => {
      heard.push(payload);
      wake();
    });
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await db.query(`SELECT pg_notify('Mixed_Case', '7')`);
    await woken;
    await stop();
    await db.query(`SELECT pg_notify('Mixed_Case', '8')`);
    await db.query('SELECT 1');
    assert.deepEqual(heard, ['7']);
  });
});

test('a LISTEN connection that was cut comes back and says so', { skip: withoutPostgres }, async () => {
  const { db, drop } = await postgresDatabase();
  try {
    let wake: (payload: string | undefined) => void = () => {};
    const next = () =>
      new Promise<string | undefined>((resolve) => {
        wake = resolve;
      });
    await db.listen('jobs', (payload) => wake(payload));
    const back = next();
    await db.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'carillon listen' AND datname = current_database()`,
    );
    assert.equal(await back, undefined);
    const heard = next();
    await db.query(`SELECT pg_notify('jobs', 'again')`);
    assert.equal(await heard, 'again');
  } finally {
    await drop();
  }
});

test('a transaction whose connection is cut rejects and the pool goes on', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  try {
    await assert.rejects(
      db.transaction(async (tx) => {
        const [row] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await db.query('SELECT pg_terminate_backend($1)', [row?.pid]);
        await tx.query('SELECT 1');
      }),
    );
    assert.deepEqual(await db.query('SELECT 1 AS one'), [{ one: 1 }]);
  } finally {
    await drop();
  }
});

test('two transactions that wait for each other both come to their end', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  await db.exec(
    'CREATE TABLE pair (id int PRIMARY KEY, n int NOT NULL); INSERT INTO pair VALUES (1, 0), (2, 0)',
  );
  let holding = 0;
  let letGo = () => {};
  const bothHold = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const runs: number[] = [];
  const add = (first: number, second: number) =>
    db.transaction(async (tx) => {
      runs.push(first);
      await tx.query('UPDATE pair SET n = n + 1 WHERE id = $1', [first]);
      holding += 1;
      if (holding === 2) letGo();
      await bothHold;
      await tx.query('UPDATE pair SET n = n + 1 WHERE id = $1', [second]);
    });
  await Promise.all([add(1, 2), add(2, 1)]);
  assert.deepEqual(await db.query('SELECT n FROM pair ORDER BY id'), [{ n: 2 }, { n: 2 }]);
  // Perhaps more than once: whoever is run again may take its row before the other, which waits for it, has woken up.
  assert.ok(runs.length >= 3, 'one of them was run again');
  await drop();
});

test('a data folder belongs to one process, and a killed one leaves it free with every row', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-lock-'));
  const open = JSON.stringify(new URL('../../src/storage/open.ts', import.meta.url).href);
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { openDatabase } = await import(${open});
       const db = await openDatabase({ dataDir: ${JSON.stringify(folder)} });
       await db.exec('CREATE TABLE kept (id int)');
       await db.query('INSERT INTO kept VALUES (1)');
       console.log('ready');
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    await once(child.stdout, 'data');
    await assert.rejects(openDatabase({ dataDir: folder }), (error: Error) => {
      assert.equal(error.name, 'FolderLockedError');
      assert.match(error.message, new RegExp(`process ${child.pid}, running since 20`));
      return true;
    });
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const db = await openDatabase({ dataDir: folder });
    assert.deepEqual(await db.query('SELECT * FROM kept'), [{ id: 1 }]);
    await db.close();
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});
