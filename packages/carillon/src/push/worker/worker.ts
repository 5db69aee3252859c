import type { PushConfig } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { type ProviderLane, providerOf } from '../providers/lanes.ts';
import type { FanoutPayload, Job, Lane, NewJob, PushQueue, SendPayload } from '../queue/queue.ts';
import type { StoredPush } from '../queue/stored-push.ts';
import { recipientsOf } from '../status/recipients.ts';
import type { Statuses } from '../status/statuses.ts';
import { fanOut } from './fanout.ts';
import { LaneRunner } from './lane-runner.ts';
import { type OnOutcome, sendBatch } from './send-batch.ts';
import type { SenderPool } from './senders.ts';
import type { Settled } from './settlement.ts';

const PAGE_SIZE = 1_000;
/** With the queue in PostgreSQL it is an option. */
const FANOUT_CONCURRENCY = 16;
const CACHED_PUSHES = 500;

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
  /** Told of every job that ended, well or not. */
  readonly onJob: (lane: Lane, recipientType: string, seconds: number) => void;
}

/** Takes jobs from the queue, one lane for finding recipients and one per provider of each app, and runs them. */
export class PushWorker {
  readonly #options: WorkerOptions;
  readonly #lanes: ReadonlyMap<Lane, LaneRunner>;
  readonly #pushes = new Map<string, Promise<StoredPush | undefined>>();
  #stopListening: (() => Promise<void>) | undefined;
  #renewal: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { queue, logger, config } = options;
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
    await this.#stopListening?.();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop(timeoutMs)));
    clearInterval(this.#renewal);
    const left = [...this.#lanes.values()].flatMap((lane) => lane.runningIds);
    if (left.length > 0) await this.#options.queue.giveBack(left);
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
    const push = await this.#load(job.uid);
    const reason = !push
      ? 'unknown'
      : job.cancelled
        ? 'cancelled'
        : push.expireAt > 0 && push.expireAt <= Date.now()
          ? 'expired'
          : undefined;
    if (push && reason === undefined) await run(job, push);
    else await this.#drop(job, push, reason as 'unknown' | 'cancelled' | 'expired');
    this.#options.onJob(job.lane, push?.recipientType ?? '', (performance.now() - started) / 1000);
  }

  async #drop(
    job: Job,
    push: StoredPush | undefined,
    reason: 'unknown' | 'cancelled' | 'expired',
  ): Promise<void> {
    const { queue, statuses, logger } = this.#options;
    if (push && reason !== 'unknown' && job.lane !== 'fanout') {
      const records = recipientsOf(job).map((recipient) => ({ recipient, status: reason }) as const);
      await statuses?.record(push, providerOf(job.lane), records);
    }
    await queue.finish(job);
    logger.info({ uid: job.uid, lane: job.lane, reason }, 'push dropped');
  }

  async #runFanout(job: Job<FanoutPayload>, push: StoredPush): Promise<void> {
    const { db, replica, queue, statuses, batchSize, logger } = this.#options;
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
      },
      job,
      push,
    );
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
        retry: { limits: config.retry, random },
        dryRunLatency: config.dry_run ? config.dry_run_latency : undefined,
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

  /** Kept for the many jobs of one push; what can change of it, its cancellation, comes with each job. */
  #load(uid: string): Promise<StoredPush | undefined> {
    const known = this.#pushes.get(uid);
    if (known) return known;
    if (this.#pushes.size >= CACHED_PUSHES) this.#pushes.delete(this.#pushes.keys().next().value as string);
    const loading = this.#options.queue.load(uid).then((found) => found?.push);
    this.#pushes.set(uid, loading);
    loading.catch(() => this.#pushes.delete(uid));
    return loading;
  }
}
