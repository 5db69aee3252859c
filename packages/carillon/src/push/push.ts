import type { PushConfig } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../storage/database.ts';
import { DeviceRegistry } from './devices/registry.ts';
import { Topics } from './devices/topics.ts';
import { appOf, type ProviderLane, providerOf } from './providers/lanes.ts';
import type { ProviderRules } from './providers/provider.ts';
import type { LaneDepth, PushQueue } from './queue/queue.ts';
import { Pushes } from './send/pushes.ts';
import { type OnReport, PushReports } from './status/reports.ts';
import { Statuses } from './status/statuses.ts';
import type { OnDropped } from './worker/fanout.ts';
import { purgeReservations } from './worker/limiter.ts';
import type { OnOutcome } from './worker/send-batch.ts';
import type { SenderPool } from './worker/senders.ts';
import type { Settled } from './worker/settlement.ts';
import { PushWorker } from './worker/worker.ts';

const PURGE_MS = 60 * 60_000;

export interface PushOptions {
  /** Of the devices; without it raw tokens and native topics can be sent to. */
  readonly db: Database | undefined;
  /** Where fan-outs read devices, if not there. */
  readonly replica?: Database | undefined;
  readonly queue: PushQueue;
  readonly config: PushConfig;
  readonly senders: SenderPool;
  readonly rules: ReadonlyMap<ProviderLane, ProviderRules>;
  readonly logger: Logger;
  readonly random?: () => number;
  /** How long a job stays with a worker that gives no sign of life. */
  readonly leaseMs: number;
  readonly onOutcome?: OnOutcome;
  readonly onSettled?: (lane: ProviderLane, settled: Settled) => void;
  readonly onJob?: (lane: string, recipientType: string, seconds: number) => void;
  readonly onScheduled?: (recipientType: string) => void;
  readonly onDropped?: OnDropped;
  readonly onReport?: OnReport;
}

/** What needs the devices' database. */
export interface PushRegistry {
  readonly devices: DeviceRegistry;
  readonly topics: Topics;
}

/** Push notifications: the registry, accepting pushes, and the workers that send them. */
export interface Push {
  readonly registry: PushRegistry | undefined;
  readonly pushes: Pushes;
  readonly reports: PushReports;
  readonly queue: PushQueue;
  /** Stops what is still undelivered of a push; unknown and finished ones are no error. */
  cancel(uid: string): Promise<void>;
  depth(): Promise<ReadonlyMap<string, LaneDepth>>;
  /** Jobs that this process has under way, per lane. */
  inFlight(): ReadonlyMap<string, number>;
  startWorkers(): Promise<void>;
  /** Takes no more jobs, waits up to `timeoutMs` for those under way, and lets go of the rest. */
  close(timeoutMs: number): Promise<void>;
}

/** Puts the parts of push together on a migrated database and an open queue. */
export function openPush(options: PushOptions): Push {
  const { db, queue, config, senders, rules, logger, random = Math.random, leaseMs } = options;
  const batchSize = (lane: ProviderLane) =>
    (config.apps[appOf(lane)] ?? config)[providerOf(lane)]?.tokens_batch_size ?? 1;
  const pushes = new Pushes({
    queue,
    rules,
    batchSize,
    logger,
    ...(options.onScheduled && { onScheduled: options.onScheduled }),
  });
  const statuses = db && new Statuses(db, config.status);
  const worker = new PushWorker({
    db,
    replica: options.replica,
    queue,
    statuses,
    senders,
    config,
    batchSize,
    logger,
    random,
    lanes: [...rules.keys()],
    renewMs: leaseMs / 3,
    onOutcome: options.onOutcome ?? (() => {}),
    onSettled: options.onSettled ?? (() => {}),
    onDropped: options.onDropped ?? (() => {}),
    onJob: options.onJob ?? (() => {}),
  });
  const registry = db && { devices: new DeviceRegistry(db, rules), topics: new Topics(db) };
  const reports = new PushReports(queue, statuses, options.onReport);
  const sweep = async () => {
    try {
      await queue.purge();
      await statuses?.purge();
      if (db) await purgeReservations(db);
      const interval = config.max_inactive_device_interval;
      const removed = registry && interval > 0 ? await registry.devices.removeInactive(interval) : 0;
      if (removed > 0) logger.info({ removed }, 'push: inactive devices removed');
      const stranded = [...(await queue.depth()).keys()].filter(
        (lane) => lane !== 'fanout' && !rules.has(lane as ProviderLane),
      );
      if (stranded.length > 0) {
        logger.warn(
          { lanes: stranded },
          'push: jobs wait for a provider or app that is not configured here; they are kept for workers that have it, or until cancel_push',
        );
      }
    } catch (error) {
      logger.error({ err: error }, 'push: the hourly sweep failed; the next one tries again');
    }
  };
  let timer: NodeJS.Timeout | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  const sweepNext = () => {
    sweeping = sweeping.then(sweep);
  };
  return {
    registry,
    pushes,
    reports,
    queue,
    async cancel(uid) {
      const removed = await queue.cancel(uid);
      await reports.recordCancelled(uid, removed);
      logger.info({ uid, jobs: removed.length }, 'push cancelled');
    },
    depth: () => queue.depth(),
    inFlight: () => worker.inFlight(),
    async startWorkers() {
      await worker.start();
      // Nobody waits for it: after a long time off there can be much to forget.
      sweepNext();
      timer = setInterval(sweepNext, PURGE_MS);
    },
    async close(timeoutMs) {
      clearInterval(timer);
      await worker.stop(timeoutMs);
      await sweeping;
    },
  };
}
