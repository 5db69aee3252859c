import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { UnavailableError } from '../../src/errors.ts';
import { memoryDatabase, postgresDatabase, withoutPostgres } from '../support/database.ts';
import { openPushBench } from '../support/push.ts';

const CHILD = new URL('../support/push-child.ts', import.meta.url).pathname;
const LEASE_MS = 600;

test('a worker killed in the middle of a batch hands over, and only calls without a noted answer repeat', {
  skip: withoutPostgres,
}, async () => {
  const { db, dsn, drop } = await postgresDatabase();
  const bench = await openPushBench(db, { workers: false, leaseMs: LEASE_MS });
  const child = spawn(process.execPath, [CHILD], {
    stdio: 'inherit',
    env: { ...process.env, DSN: dsn, ACCEPT: '30', LEASE_MS: String(LEASE_MS) },
  });
  try {
    const names = Array.from({ length: 80 }, (_, n) => `k${n}`);
    for (const name of names) await bench.register(name, 'kim');
    await bench.ring({ users: ['kim'] });
    const settled = async () => {
      const [job] = await db.query<{ n: number | null }>(
        'SELECT cardinality(settled) AS n FROM carillon_push_jobs LIMIT 1',
      );
      return job?.n ?? 0;
    };
    while ((await settled()) < 30) await new Promise((resolve) => setTimeout(resolve, 10));
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    await bench.push.startWorkers();
    await bench.untilIdle();
    assert.equal(bench.senders.rung.length, 50, 'those that were under way, and none of the noted ones');
    assert.equal(new Set(bench.senders.rung).size, 50);
  } finally {
    child.kill('SIGKILL');
    await bench.close();
    await drop();
  }
});

test('on the embedded database a restart does not wait for the leases of the dead', async () => {
  const { db, drop } = await memoryDatabase();
  const before = await openPushBench(db, { workers: false });
  await before.register('lost', 'lee');
  await before.ring({ users: ['lee'] });
  await db.exec(`UPDATE carillon_push_jobs SET locked_by = 'dead', ready_at = now() + interval '1 hour'`);
  const after = await openPushBench(db);
  await after.untilIdle();
  assert.deepEqual(after.senders.rung, ['lost']);
  await after.close();
  await before.close();
  await drop();
});

test('a worker that lost its lease ends no job and adds none: another has it', async () => {
  const { db, drop } = await memoryDatabase();
  const slow = await openPushBench(db);
  let answer = () => {};
  slow.senders.answer = () =>
    new Promise((resolve) => {
      answer = () => resolve({ kind: 'retry', code: 'unavailable' });
    });
  await slow.register('kept', 'kay');
  await slow.ring({ users: ['kay'] });
  await slow.senders.untilRung(1);
  await db.exec(`UPDATE carillon_push_jobs SET locked_by = 'another', ready_at = now() + interval '1 hour'`);
  answer();
  await slow.close();
  assert.deepEqual(await db.query('SELECT locked_by FROM carillon_push_jobs'), [{ locked_by: 'another' }]);
  await drop();
});

test('a worker that is stopped finishes what it sends, and gives back what it cannot', async () => {
  const { db, drop } = await memoryDatabase();
  const bench = await openPushBench(db);
  bench.senders.answer = () => new Promise(() => {});
  await bench.register('back', 'bea');
  await bench.ring({ users: ['bea'] });
  await bench.senders.untilRung(1);
  await bench.push.close(20);
  const jobs = await db.query('SELECT locked_by, ready_at <= now() AS ready FROM carillon_push_jobs');
  assert.deepEqual(jobs, [{ locked_by: null, ready: true }]);
  await bench.close();
  await drop();
});

test('a worker stops, too, when nothing can be given back: what it had runs out', async () => {
  const { db, drop } = await memoryDatabase();
  const bench = await openPushBench(db);
  bench.senders.answer = () => new Promise(() => {});
  await bench.register('stuck', 'sid');
  await bench.ring({ users: ['sid'] });
  await bench.senders.untilRung(1);
  bench.push.queue.giveBack = async () => {
    throw new UnavailableError('PostgreSQL', new Error('gone'));
  };
  await bench.push.close(20);
  await bench.close();
  await drop();
});

test('old pushes are forgotten, those under way are not', async () => {
  const { db, drop } = await memoryDatabase();
  const bench = await openPushBench(db);
  const done = await bench.ring({ users: ['nobody'] });
  await bench.untilIdle();
  const waiting = await bench.ring({ users: ['nobody'] }, { send_at: Math.floor(Date.now() / 1000) + 3_600 });
  await db.query(`UPDATE carillon_pushes SET created_at = now() - interval '25 hours'`);
  await bench.push.queue.purge();
  assert.equal(await bench.push.queue.load(done), undefined);
  assert.ok(await bench.push.queue.load(waiting));
  await bench.close();
  await drop();
});
