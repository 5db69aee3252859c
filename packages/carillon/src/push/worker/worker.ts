import type { PushConfig } from '../../config/config.ts';
import { UnavailableError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { type ProviderLane, providerOf } from '../providers/lanes.ts';
import type { ProviderName } from '../providers/provider.ts';
import {
  type FanoutPayload,
  type Job,
  type Lane,
  LeaseLostError,
  type NewJob,
  type PushQueue,
  type SendPayload,
} from '../queue/queue.ts';
import type { StoredPush } from '../queue/stored-push.ts';
import { recipientsOf } from '../status/recipients.ts';
import type { Statuses } from '../status/statuses.ts';
import { bury, FailedRuns } from './failed-runs.ts';
import { fanOut, type OnDropped } from './fanout.ts';
import { LaneRunner } from './lane-runner.ts';
import { OperatorAlarm } from './operator-alarm.ts';
import { PushCache } from './push-cache.ts';
import { type OnOutcome, sendBatch } from './send-batch.ts';
import type { SenderPool } from './senders.ts';
import { acceptedBefore, type Settled } from './settlement.ts';

const PAGE_SIZE = 1_000;
/** With the queue in PostgreSQL it is an option. */
const FANOUT_CONCURRENCY = 16;

export interface WorkerOptions {
  /** Absent where there are no devices: raw targets only. */
  readonly db: Database | undefined;
  /** Where a fan-out reads the devices. */
  readonly replica: Database | undefined;
  readonly queue: PushQueue;
  readonly statuses: Statuses | undefined;
  readonly senders: SenderPool;
  readonly config: PushConfig;
  readonly lanes: readonly ProviderLane[];
  readonly batchSize: (lane: ProviderLane) => number;
  readonly logger: Logger;
  /** Leases are renewed this often. */
  readonly renewMs: number;
  readonly random: () => number;
  readonly onOutcome: OnOutcome;
  /** Told what each attempt at a batch came to. */
  readonly onSettled: (lane: ProviderLane, settled: Settled) => void;
  readonly onDropped: OnDropped;
  /** Told of every run of a job that ended, well or not. */
  readonly onJob: (lane: Lane, recipientType: string, seconds: number) => void;
}

/** Takes jobs from the queue, one lane for finding recipients and one per provider of each app, and runs them. */
export class PushWorker {
  readonly #options: WorkerOptions;
  readonly #lanes: ReadonlyMap<Lane, LaneRunner>;
  readonly #alarm: OperatorAlarm;
  readonly #pushes: PushCache;
  readonly #failedRuns = new FailedRuns();
  readonly #stopping = new AbortController();
  #stopListening: (() => Promise<void>) | undefined;
  #renewal: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { queue, logger, config } = options;
    this.#alarm = new OperatorAlarm(logger);
    this.#pushes = new PushCache(async (uid) => (await queue.load(uid))?.push);
    const concurrency = config.queue[queue.kind].consumer_concurrency;
    const fanouts =
      queue.kind === 'postgresql'
        ? config.queue.postgresql.scheduler_consumer_concurrency
        : FANOUT_CONCURRENCY;
    const lane = (name: Lane, size: number, run: (job: Job, push: StoredPush) => Promise<void>) =>
      [
        name,
        new LaneRunner({
          lane: name,
          concurrency: size,
          queue,
          logger,
          run: (job) => this.#run(job, run),
        }),
      ] as const;
    this.#lanes = new Map<Lane, LaneRunner>([
      lane('fanout', fanouts, (job, push) => this.#runFanout(job as Job<FanoutPayload>, push)),
      ...options.lanes.map((name) =>
        lane(name, concurrency, (job, push) => this.#runSend(job as Job<SendPayload>, push)),
      ),
    ]);
  }

  /** Jobs under way, per lane. */
  inFlight(): ReadonlyMap<Lane, number> {
    return new Map([...this.#lanes].map(([name, lane]) => [name, lane.runningIds.length]));
  }

  async start(): Promise<void> {
    this.#stopListening = await this.#options.queue.onReady((lane) => {
      if (lane === undefined) for (const runner of this.#lanes.values()) runner.wake();
      else this.#lanes.get(lane as Lane)?.wake();
    });
    for (const lane of this.#lanes.values()) lane.wake();
    this.#renewal = setInterval(() => this.#renew(), this.#options.renewMs);
  }

  /** Takes no more, waits for what runs up to `timeoutMs`, and gives back what has not ended. */
  async stop(timeoutMs: number): Promise<void> {
    const { queue, logger } = this.#options;
    const end = performance.now() + timeoutMs;
    await this.#stopListening?.();
    const lanes = [...this.#lanes.values()];
    // Twice: a fan-out that was ending may have handed its jobs to a lane that had stopped already.
    for (let turn = 0; turn < 2; turn++) {
      await Promise.all(lanes.map((lane) => lane.stop(Math.max(0, end - performance.now()))));
    }
    clearInterval(this.#renewal);
    this.#stopping.abort();
    const left = lanes.flatMap((lane) => lane.runningIds);
    if (left.length === 0) return;
    await queue.giveBack(left).catch((error: unknown) => {
      logger.warn(
        { err: error, jobs: left.length },
        'push jobs could not be given back: their leases run out',
      );
    });
  }

  #renew(): void {
    const ids = [...this.#lanes.values()].flatMap((lane) => lane.runningIds);
    if (ids.length === 0) return;
    this.#options.queue.renew(ids).catch((error) => {
      this.#options.logger.error({ err: error }, 'push queue: could not renew leases');
    });
  }

  async #run(job: Job, run: (job: Job, push: StoredPush) => Promise<void>): Promise<void> {
    const started = performance.now();
    let push: StoredPush | undefined;
    try {
      push = await this.#pushes.load(job.uid);
      await this.#carryOut(job, push, run);
      this.#failedRuns.forget(job);
    } catch (error) {
      if (error instanceof UnavailableError || error instanceof LeaseLostError) throw error;
      if (!push || !this.#failedRuns.add(job)) throw error;
      await this.#giveUp(job, push, error);
    } finally {
      this.#options.onJob(job.lane, push?.recipientType ?? '', (performance.now() - started) / 1000);
    }
  }

  async #carryOut(
    job: Job,
    push: StoredPush | undefined,
    run: (job: Job, push: StoredPush) => Promise<void>,
  ): Promise<void> {
    const reason = !push
      ? 'unknown'
      : job.cancelled
        ? 'cancelled'
        : push.expireAt > 0 && push.expireAt <= Date.now()
          ? 'expired'
          : undefined;
    if (push && reason === undefined) await run(job, push);
    else await this.#drop(job, push, reason as 'unknown' | 'cancelled' | 'expired');
  }

  async #giveUp(job: Job, push: StoredPush, error: unknown): Promise<void> {
    const { lane, uid } = job;
    const [first] = Object.keys(push.messages) as ProviderName[];
    const provider = lane === 'fanout' ? (first as ProviderName) : providerOf(lane);
    const dead = await bury(this.#options, job, push, provider);
    this.#failedRuns.forget(job);
    this.#options.logger.error({ err: error, uid, lane, dead: dead.length }, 'push job given up');
    if (lane !== 'fanout') this.#options.onSettled(lane, { accepted: 0, removed: 0, retried: 0, dead });
  }

  async #drop(
    job: Job,
    push: StoredPush | undefined,
    reason: 'unknown' | 'cancelled' | 'expired',
  ): Promise<void> {
    const { queue, statuses, logger, onDropped } = this.#options;
    const recipients = recipientsOf(job);
    if (push && reason !== 'unknown' && job.lane !== 'fanout') {
      const dropped = recipients.map((recipient) => ({ recipient, status: reason }) as const);
      await statuses?.record(push, providerOf(job.lane), [...acceptedBefore(job), ...dropped]);
    }
    await queue.finish(job, { expired: reason === 'expired' });
    // Whom a fan-out would have found is not known: it counts as one.
    const count = job.lane === 'fanout' ? 1 : recipients.length;
    onDropped(job.lane, push?.recipientType ?? '', reason, count);
    logger.info({ uid: job.uid, lane: job.lane, reason, recipients: count }, 'push dropped');
  }

  async #runFanout(job: Job<FanoutPayload>, push: StoredPush): Promise<void> {
    const { db, replica, queue, statuses, batchSize, logger, onDropped } = this.#options;
    if (!db || !statuses)
      throw new Error(`push ${push.uid} has a filter, but there is no database of devices`);
    const found = await fanOut(
      {
        db,
        devices: replica ?? db,
        queue,
        statuses,
        batchSize,
        pageSize: PAGE_SIZE,
        hasRoomFor: (jobs) => this.#hasRoomFor(jobs),
        adopt: (own) => this.#lanes.get(own.lane)?.adopt(own),
        onDropped,
      },
      job,
      push,
    );
    if (found.ended) onDropped('fanout', push.recipientType, found.ended, 1);
    logger.info({ uid: push.uid, ...found }, 'push fanned out');
  }

  async #runSend(job: Job<SendPayload>, push: StoredPush): Promise<void> {
    const { db, queue, statuses, senders, config, logger, random, onOutcome } = this.#options;
    const settled = await sendBatch(
      {
        db,
        queue,
        statuses,
        senders,
        logger,
        onOutcome,
        alarm: this.#alarm,
        retry: { limits: config.retry, random },
        dryRunLatency: config.dry_run ? config.dry_run_latency : undefined,
        signal: this.#stopping.signal,
      },
      job,
      push,
    );
    this.#options.onSettled(job.lane as ProviderLane, settled);
  }

  #hasRoomFor(jobs: readonly NewJob[]): boolean {
    const wanted = Map.groupBy(jobs, (job) => job.lane);
    return [...wanted].every(([lane, list]) => (this.#lanes.get(lane)?.free ?? 0) >= list.length);
  }
}
