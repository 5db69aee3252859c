import { randomUUID } from 'node:crypto';
import type { PushConfig } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../storage/database.ts';
import { DeviceRegistry } from './devices/registry.ts';
import { Topics } from './devices/topics.ts';
import type { Outcome, ProviderName, ProviderRules } from './providers/provider.ts';
import { PostgresQueue } from './queue/postgres.ts';
import { Pushes } from './send/pushes.ts';
import type { SenderPool } from './worker/senders.ts';
import { PushWorker } from './worker/worker.ts';

const LEASE_MS = 10_000;
const PURGE_MS = 60 * 60_000;

export interface PushOptions {
  readonly db: Database;
  readonly config: PushConfig;
  readonly senders: SenderPool;
  readonly rules: ReadonlyMap<ProviderName, ProviderRules>;
  readonly logger: Logger;
  readonly random?: () => number;
  /** How long a job stays with a worker that gives no sign of life. */
  readonly leaseMs?: number;
  readonly onOutcome?: (provider: ProviderName, outcome: Outcome) => void;
}

/** Push notifications: the registry, accepting pushes, and the workers that send them. */
export interface Push {
  readonly devices: DeviceRegistry;
  readonly topics: Topics;
  readonly pushes: Pushes;
  /** Jobs waiting or under way, per lane. */
  depth(): Promise<ReadonlyMap<string, number>>;
  startWorkers(): Promise<void>;
  /** Takes no more jobs, waits up to `timeoutMs` for those under way, and lets go of the rest. */
  close(timeoutMs: number): Promise<void>;
}

/** Puts the parts of push together on a migrated database. */
export async function openPush(options: PushOptions): Promise<Push> {
  const { db, config, senders, rules, logger, random = Math.random, leaseMs = LEASE_MS } = options;
  const queue = new PostgresQueue({ db, workerId: randomUUID(), leaseMs });
  if (db.kind === 'pglite') await queue.voidLeases();
  const batchSize = (provider: ProviderName) =>
    provider === 'webpush' ? config.webpush.tokens_batch_size : 100;
  const pushes = new Pushes({ db, queue, rules, batchSize });
  const worker = new PushWorker({
    db,
    queue,
    senders,
    config,
    batchSize,
    logger,
    random,
    providers: [...rules.keys()],
    renewMs: leaseMs / 3,
    onOutcome: options.onOutcome ?? (() => {}),
  });
  const devices = new DeviceRegistry(db, rules);
  const sweep = async () => {
    try {
      await pushes.purge();
      const interval = config.max_inactive_device_interval;
      const removed = interval > 0 ? await devices.removeInactive(interval) : 0;
      if (removed > 0) logger.info({ removed }, 'push: inactive devices removed');
    } catch (error) {
      logger.error({ err: error }, 'push: the hourly sweep failed; the next one tries again');
    }
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    devices,
    topics: new Topics(db),
    pushes,
    depth: () => queue.depth(),
    async startWorkers() {
      await worker.start();
      timer = setInterval(sweep, PURGE_MS);
      await sweep();
    },
    async close(timeoutMs) {
      clearInterval(timer);
      await worker.stop(timeoutMs);
    },
  };
}
