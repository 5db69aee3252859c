import { suite } from 'node:test';
import { resolveConfig } from '../../src/config/load.ts';
import { openQueue } from '../../src/push/queue/open.ts';
import type { PushQueue } from '../../src/push/queue/queue.ts';
import { memoryDatabase, postgresDatabase, withoutPostgres } from './database.ts';
import { silent } from './realtime.ts';
import { startRedis, withoutRedis } from './redis.ts';

/** A place where queues can be opened, one for each worker. */
export interface QueuePlace {
  open(leaseMs?: number): Promise<PushQueue>;
  /** Makes it as empty as at the beginning. */
  clear(): Promise<void>;
  drop(): Promise<void>;
}

/** Runs the same suite on every engine of the push queue; `open` gives a fresh place each time it is called. */
export function eachQueue(title: string, body: (open: () => Promise<QueuePlace>) => void): void {
  suite(`${title} on PGlite`, () => body(() => databasePlace(memoryDatabase)));
  suite(`${title} on PostgreSQL`, { skip: withoutPostgres }, () =>
    body(() => databasePlace(postgresDatabase)),
  );
  suite(`${title} on Redis`, { skip: withoutRedis }, () => body(redisPlace));
}

async function databasePlace(database: typeof memoryDatabase): Promise<QueuePlace> {
  const { db, drop } = await database();
  const { config } = resolveConfig({});
  return {
    open: (leaseMs = 10_000) =>
      openQueue({ config: config.push_notifications.queue, db, logger: silent, leaseMs }),
    clear: () =>
      db.exec('TRUNCATE carillon_pushes, carillon_push_jobs, carillon_push_dead_letters RESTART IDENTITY'),
    drop,
  };
}

async function redisPlace(): Promise<QueuePlace> {
  const redis = await startRedis();
  return {
    open: (leaseMs = 10_000) => openRedis(redis.address, leaseMs),
    clear: async () => {
      await redis.command('FLUSHALL');
    },
    drop: () => redis.drop(),
  };
}

/** A queue in that Redis; `extra` are further options of `push_notifications.queue.redis`. */
export function openRedis(address: string, leaseMs: number, extra: object = {}): Promise<PushQueue> {
  const { config } = resolveConfig({ push_notifications: { queue: { redis: { address, ...extra } } } });
  return openQueue({ config: config.push_notifications.queue, db: undefined, logger: silent, leaseMs });
}
