import { availableParallelism } from 'node:os';
import type { Config } from './config/config.ts';
import { queueOf } from './config/engine.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics/metrics.ts';
import { providerRules, providerSetups } from './push/providers/index.ts';
import { openPush, type Push } from './push/push.ts';
import { openQueue } from './push/queue/open.ts';
import { createSenderPool } from './push/worker/sender-pool.ts';
import type { Database } from './storage/database.ts';
import { openDatabase } from './storage/open.ts';

/** When the configuration leaves it open; each takes some 30 MB. */
const MOST_SENDER_THREADS = 4;

export interface StartPushOptions {
  readonly config: Config;
  readonly db: Database | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether this process takes jobs, or only adds them. */
  readonly workers: boolean;
  /** Gets what has to be closed, in the order of opening. */
  readonly closers: (() => Promise<void>)[];
}

/** Opens the push queue, the senders and the workers; undefined when push is off. */
export async function startPush(options: StartPushOptions): Promise<Push | undefined> {
  const { db, logger, metrics, workers, closers } = options;
  const { push_notifications: config, shutdown, database } = options.config;
  if (!config.enabled) return undefined;
  const providers = providerSetups(config);
  const rules = providerRules(providers);
  const queue = await openQueue({ config: queueOf(options.config), db, logger, leaseMs: config.queue.lease });
  closers.push(() => queue.close());
  const replica = config.read_from_replica
    ? await openReplica(database.postgresql.replica_dsn, logger)
    : undefined;
  if (replica) closers.push(() => replica.close());
  const senders = createSenderPool({
    threads: workers ? config.sender_threads || Math.min(availableParallelism(), MOST_SENDER_THREADS) : 0,
    providers,
    logger,
  });
  closers.push(() => senders.close());
  const push = openPush({
    db,
    replica,
    queue,
    config,
    senders,
    rules,
    logger,
    leaseMs: config.queue.lease,
    onOutcome: metrics.countOutcome,
    onSettled: metrics.countSettled,
    onJob: metrics.observeJob,
    onScheduled: metrics.countScheduled,
    onDropped: metrics.countDropped,
    onReport: metrics.countReport,
  });
  closers.push(() => push.close(shutdown.timeout));
  metrics.observePush({
    queue: queue.kind,
    depth: () => push.depth(),
    inFlight: () => push.inFlight(),
    senders: () => senders.utilization(),
  });
  if (workers) await push.startWorkers();
  return push;
}

/** The first replica; which of several a node reads is left to a proxy before them. */
async function openReplica([dsn]: readonly string[], logger: Logger): Promise<Database | undefined> {
  if (!dsn) return undefined;
  const onError = (error: Error) => logger.error({ err: error }, 'replica connection lost');
  return openDatabase({ dsn, onError });
}
