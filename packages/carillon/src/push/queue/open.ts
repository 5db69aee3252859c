import { randomUUID } from 'node:crypto';
import type { QueueConfig } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { migrate } from '../../storage/migrate.ts';
import { queueMigrations } from '../../storage/migrations/queue.ts';
import { openDatabase } from '../../storage/open.ts';
import { PostgresQueue } from './postgres.ts';
import type { PushQueue } from './queue.ts';

export interface OpenQueueOptions {
  readonly config: QueueConfig;
  /** The database of the devices, which the queue uses unless it has one of its own. */
  readonly db: Database | undefined;
  readonly logger: Logger;
  /** How long a job stays with a worker that gives no sign of life. */
  readonly leaseMs: number;
}

/** Which engine a configuration means: Redis where its address is given, else PostgreSQL. */
export function queueKind({ type, redis }: QueueConfig): 'redis' | 'postgresql' {
  return type || (redis.address ? 'redis' : 'postgresql');
}

/** Opens the queue that the configuration names, its tables brought up to date. */
export async function openQueue({ config, db, logger, leaseMs }: OpenQueueOptions): Promise<PushQueue> {
  const workerId = randomUUID();
  if (queueKind(config) === 'redis') {
    // Who has no Redis need not load its client.
    const { openRedisQueue } = await import('./redis.ts');
    return openRedisQueue({ ...config.redis, workerId, leaseMs, logger });
  }
  const { dsn, prefix } = config.postgresql;
  const onError = (error: Error) => logger.error({ err: error }, 'push queue: database connection lost');
  const own = dsn ? await openDatabase({ dsn, onError }) : undefined;
  const database = own ?? db;
  if (!database) throw new Error('push_notifications.queue.postgresql.dsn is needed without a database');
  await migrate(database, prefix ? `carillon queue ${prefix}` : 'carillon', queueMigrations(prefix));
  const queue = new PostgresQueue({
    db: database,
    workerId,
    leaseMs,
    prefix,
    ...(own && { onClose: () => own.close() }),
  });
  if (database.kind === 'pglite') await queue.voidLeases();
  return queue;
}
