import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createPostgresDatabase } from '../packages/carillon/test/support/database.ts';
import { startRedis } from '../packages/carillon/test/support/redis.ts';
import { startTestPostgres } from '../scripts/setup/test-postgres.ts';
import { type Answer, type CountingSink, startCountingSink } from './support/counting-sink.ts';
import { type ClusterOptions, type PushCluster, startPushCluster } from './support/push-cluster.ts';
import { missing } from './support/requires.ts';

/** What a worker may have sent without a note of it: notes are taken every 20 ms, and take their way to the queue. */
const NOTE_LAG_MS = 300;
/** Longer than any lease lasts: 1 s in the cluster. */
const OUTAGE_MS = 3_000;

interface Scene {
  readonly sink: CountingSink;
  readonly cluster: PushCluster;
}

async function withCluster(
  options: Omit<ClusterOptions, 'sinkOrigin'>,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const sink = await startCountingSink();
  let cluster: PushCluster | undefined;
  try {
    cluster = await startPushCluster({ ...options, sinkOrigin: sink.origin });
    await body({ sink, cluster });
  } finally {
    await cluster?.close();
    sink.close();
  }
}

async function ring(cluster: PushCluster, topic: string, uid: string): Promise<void> {
  const { status } = await cluster.call('send_push_notification', {
    uid,
    recipient: { filter: { topics: [topic] } },
    notification: { webpush: { payload: { title: 'fault' } } },
  });
  assert.equal(status, 200);
}

async function untilDone(cluster: PushCluster, uid: string): Promise<void> {
  while ((await cluster.state(uid).catch(() => 'away')) !== 'done') await delay(100);
}

/** Nobody is left out; who got it twice was in doubt at a crash, and would show it once: each request has one Topic. */
function judge(sink: CountingSink, devices: number, doubtful: ReadonlySet<string>): { doubled: number } {
  const lost = devices - sink.delivered();
  const doubled = [...sink.visits].filter(([, visit]) => visit.delivered > 1).map(([name]) => name);
  assert.equal(lost, 0, 'lost');
  assert.deepEqual(
    doubled.filter((name) => !doubtful.has(name)),
    [],
    'doubled without having been under way at a crash',
  );
  assert.ok([...sink.visits.values()].every(({ topics }) => topics.size === 1));
  const [topic] = [...sink.visits.values()].flatMap(({ topics }) => [...topics]);
  assert.match(topic ?? '', /^[\w-]{32}$/, 'the same collapse key for all');
  return { doubled: doubled.length };
}

function killedWorkers(queueOf: () => Promise<{ queue: object; drop: () => Promise<void> }>) {
  return async (t: { diagnostic(text: string): void }) => {
    const DEVICES = 10_000;
    const KILLS = 20;
    const database = await createPostgresDatabase();
    const { queue, drop } = await queueOf();
    try {
      await withCluster({ dsn: database.dsn, queue }, async ({ sink, cluster }) => {
        await cluster.registerCrowd('crowd', DEVICES, sink.origin);
        const workers = [await cluster.startWorker(), await cluster.startWorker()];
        sink.perSecond = 800;
        await ring(cluster, 'crowd', 'killed');
        const doubtful = new Set<string>();
        for (let kill = 0; kill < KILLS; kill++) {
          // Spread over the whole send, so that each kill hits a worker at work.
          const share = (0.95 * DEVICES * (kill + 1)) / (KILLS + 1);
          while (sink.delivered() < share) await delay(10);
          const index = kill % workers.length;
          const since = performance.now();
          await workers[index]?.kill('SIGKILL');
          const ended = performance.now() - since;
          for (const name of sink.doubtful(NOTE_LAG_MS + ended)) doubtful.add(name);
          workers[index] = await cluster.startWorker();
        }
        sink.perSecond = Number.POSITIVE_INFINITY;
        await untilDone(cluster, 'killed');
        const { doubled } = judge(sink, DEVICES, doubtful);
        const { body } = await cluster.call<{ result: { counts: object } }>('push_status', { uid: 'killed' });
        assert.deepEqual(body.result.counts, { accepted: DEVICES });
        t.diagnostic(`${KILLS} kills, ${DEVICES} devices: lost 0, doubled ${doubled}`);
      });
    } finally {
      await drop();
      await database.drop();
    }
  };
}

function restartedWorkers(queueOf: () => Promise<{ queue: object; drop: () => Promise<void> }>) {
  return async (t: { diagnostic(text: string): void }) => {
    const DEVICES = 5_000;
    const RESTARTS = 6;
    const database = await createPostgresDatabase();
    const { queue, drop } = await queueOf();
    try {
      // Nobody dies here, so a lease has its usual length: a busy machine may hold a worker up for longer than a second.
      await withCluster(
        { dsn: database.dsn, queue: { lease: '5s', ...queue } },
        async ({ sink, cluster }) => {
          await cluster.registerCrowd('crowd', DEVICES, sink.origin);
          let worker = await cluster.startWorker();
          sink.perSecond = 1_000;
          await ring(cluster, 'crowd', 'rolling');
          for (let restart = 0; restart < RESTARTS; restart++) {
            const share = (0.9 * DEVICES * (restart + 1)) / (RESTARTS + 1);
            while (sink.delivered() < share) await delay(10);
            const next = await cluster.startWorker();
            await worker.kill('SIGTERM');
            assert.equal(worker.process.exitCode, 0, worker.log());
            worker = next;
          }
          await untilDone(cluster, 'rolling');
          judge(sink, DEVICES, new Set());
          t.diagnostic(`${RESTARTS} restarts, ${DEVICES} devices: lost 0, doubled 0`);
        },
      );
    } finally {
      await drop();
      await database.drop();
    }
  };
}

suite('workers that are restarted one after the other', { skip: missing('postgresql', 'redis') }, () => {
  test(
    'lose and double nothing, with the queue in PostgreSQL',
    restartedWorkers(async () => ({ queue: {}, drop: async () => {} })),
  );

  test(
    'lose and double nothing, with the queue in Redis',
    restartedWorkers(async () => {
      const redis = await startRedis();
      return { queue: { redis: { address: redis.address } }, drop: () => redis.drop() };
    }),
  );
});

suite('a push to ten thousand devices', { skip: missing('postgresql', 'redis') }, () => {
  test(
    'is complete though workers are killed twenty times, with the queue in PostgreSQL',
    killedWorkers(async () => ({ queue: {}, drop: async () => {} })),
  );

  test(
    'is complete though workers are killed twenty times, with the queue in Redis',
    killedWorkers(async () => {
      const redis = await startRedis();
      return { queue: { redis: { address: redis.address } }, drop: () => redis.drop() };
    }),
  );
});

suite('a server whose parts go away and come back', { skip: missing('postgresql', 'redis') }, () => {
  test('Redis killed in the middle of a send: refused while it is away, complete when it is back', async (t) => {
    const DEVICES = 3_000;
    const database = await createPostgresDatabase();
    const redis = await startRedis({ appendfsync: 'always' });
    try {
      await withCluster(
        { dsn: database.dsn, queue: { redis: { address: redis.address } } },
        async ({ sink, cluster }) => {
          await cluster.registerCrowd('crowd', DEVICES, sink.origin);
          await Promise.all([cluster.startWorker(), cluster.startWorker()]);
          sink.perSecond = 1_500;
          await ring(cluster, 'crowd', 'redis-gone');
          while (sink.delivered() < 1_000) await delay(10);
          await redis.kill();
          const doubtful = new Set(sink.doubtful(NOTE_LAG_MS));
          const refused = await cluster.call<{ error?: { code: number; message: string } }>(
            'send_push_notification',
            {
              uid: 'refused',
              recipient: { filter: { topics: ['crowd'] } },
              notification: { webpush: { payload: {} } },
            },
          );
          assert.equal(refused.status, 503);
          assert.match(refused.body.error?.message ?? '', /temporarily unavailable: Redis cannot be used/);
          await delay(OUTAGE_MS);
          await redis.start();
          await untilDone(cluster, 'redis-gone');
          const { doubled } = judge(sink, DEVICES, doubtful);
          t.diagnostic(`Redis killed once, ${DEVICES} devices: lost 0, doubled ${doubled}`);
        },
      );
    } finally {
      await redis.drop();
      await database.drop();
    }
  });

  test('PostgreSQL killed in the middle of a send: refused while it is away, complete when it is back', async (t) => {
    const DEVICES = 3_000;
    const postgres = await startTestPostgres();
    try {
      await withCluster({ dsn: postgres.dsn }, async ({ sink, cluster }) => {
        await cluster.registerCrowd('crowd', DEVICES, sink.origin);
        await Promise.all([cluster.startWorker(), cluster.startWorker()]);
        sink.perSecond = 1_500;
        await ring(cluster, 'crowd', 'postgres-gone');
        while (sink.delivered() < 1_000) await delay(10);
        postgres.stop({ keep: true });
        const doubtful = new Set(sink.doubtful(NOTE_LAG_MS));
        const refused = await cluster.call<{ error?: { message: string } }>('device_register', {
          provider: 'webpush',
          platform: 'web',
          token: JSON.stringify({ endpoint: `${sink.origin}/x`, keys: {} }),
        });
        assert.equal(refused.status, 200, 'a bad request is one whether PostgreSQL is there or not');
        const away = await cluster.call<{ error?: { message: string } }>('cancel_push', { uid: 'x' });
        assert.equal(away.status, 503);
        assert.match(away.body.error?.message ?? '', /temporarily unavailable: PostgreSQL cannot be used/);
        await delay(OUTAGE_MS);
        postgres.start();
        await untilDone(cluster, 'postgres-gone');
        const { doubled } = judge(sink, DEVICES, doubtful);
        t.diagnostic(`PostgreSQL killed once, ${DEVICES} devices: lost 0, doubled ${doubled}`);
      });
    } finally {
      postgres.stop();
    }
  });
});

suite('a push service that fails in every way', { skip: missing('postgresql') }, () => {
  test('429 with Retry-After, 500, silence, a reset, a dropped answer: all arrive, and only dropped answers twice', async (t) => {
    const DEVICES = 600;
    const faults: Answer[] = [
      { kind: 'refuse', status: 429, retryAfter: '1' },
      { kind: 'refuse', status: 500 },
      { kind: 'reset' },
      { kind: 'drop' },
    ];
    const database = await createPostgresDatabase();
    try {
      await withCluster({ dsn: database.dsn }, async ({ sink, cluster }) => {
        await cluster.registerCrowd('crowd', DEVICES, sink.origin);
        const numberOf = (name: string) => Number(name.split('-')[1]);
        const firstRefusal = new Map<string, number>();
        const early: string[] = [];
        sink.answer = (name, attempt) => {
          const number = numberOf(name);
          if (number % 6 === 1 && attempt === 2) {
            const since = performance.now() - (firstRefusal.get(name) ?? 0);
            if (since < 1_000) early.push(`${name} after ${since} ms`);
          }
          if (attempt > 1) return { kind: 'accept' };
          if (number === 60) return { kind: 'silence' };
          const fault = faults[(number % 6) - 1];
          if (number % 6 === 1) firstRefusal.set(name, performance.now());
          return fault ?? { kind: 'accept' };
        };
        await cluster.startWorker();
        await ring(cluster, 'crowd', 'faulty');
        await untilDone(cluster, 'faulty');
        const inDoubt = new Set([...sink.visits.keys()].filter((name) => numberOf(name) % 6 === 4));
        const { doubled } = judge(sink, DEVICES, inDoubt);
        assert.deepEqual(early, [], 'Retry-After was kept');
        t.diagnostic(`${DEVICES} devices, four in six failed at first: lost 0, doubled ${doubled}`);
      });
    } finally {
      await database.drop();
    }
  });
});
