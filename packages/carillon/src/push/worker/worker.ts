import type { PushConfig } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import type { Outcome, ProviderName } from '../providers/provider.ts';
import type { FanoutPayload, Job, Lane, NewJob, PushQueue, SendPayload } from '../queue/queue.ts';
import type { StoredPush } from '../send/pushes.ts';
import { fanOut } from './fanout.ts';
import { LaneRunner } from './lane-runner.ts';
import { sendBatch } from './send-batch.ts';
import type { SenderPool } from './senders.ts';

const PAGE_SIZE = 1_000;
const FANOUT_CONCURRENCY = 2;
const CACHED_PUSHES = 500;

export interface WorkerOptions {
  readonly db: Database;
  readonly queue: PushQueue;
  readonly senders: SenderPool;
  readonly config: PushConfig;
  readonly providers: readonly ProviderName[];
  readonly batchSize: (provider: ProviderName) => number;
  readonly logger: Logger;
  /** Leases are renewed this often. */
  readonly renewMs: number;
  readonly random: () => number;
  readonly onOutcome: (provider: ProviderName, outcome: Outcome) => void;
}

/** Takes jobs from the queue, one lane for finding recipients and one per provider, and runs them. */
export class PushWorker {
  readonly #options: WorkerOptions;
  readonly #lanes: ReadonlyMap<Lane, LaneRunner>;
  readonly #pushes = new Map<string, Promise<StoredPush | undefined>>();
  #stopListening: (() => Promise<void>) | undefined;
  #renewal: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { queue, logger, config } = options;
    const concurrency = config.queue.postgresql.consumer_concurrency;
    const lane = (name: Lane, size: number, run: (job: Job) => Promise<void>) =>
      [name, new LaneRunner({ lane: name, concurrency: size, queue, logger, run })] as const;
    this.#lanes = new Map<Lane, LaneRunner>([
      lane('fanout', FANOUT_CONCURRENCY, (job) => this.#runFanout(job as Job<FanoutPayload>)),
      ...options.providers.map((provider) =>
        lane(provider, concurrency, (job) => this.#runSend(job as Job<SendPayload>)),
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

  async #runFanout(job: Job<FanoutPayload>): Promise<void> {
    const { db, queue, batchSize, logger } = this.#options;
    const push = await this.#pushToSend(job);
    if (!push) return;
    const devices = await fanOut(
      {
        db,
        queue,
        batchSize,
        pageSize: PAGE_SIZE,
        hasRoomFor: (jobs) => this.#hasRoomFor(jobs),
        adopt: (own) => this.#lanes.get(own.lane)?.adopt(own),
      },
      job,
      push,
    );
    logger.info({ uid: push.uid, devices }, 'push fanned out');
  }

  async #runSend(job: Job<SendPayload>): Promise<void> {
    const { db, queue, senders, config, logger, random, onOutcome } = this.#options;
    const push = await this.#pushToSend(job);
    if (!push) return;
    await sendBatch(
      {
        db,
        queue,
        senders,
        logger,
        onOutcome,
        retry: { limits: config.retry, random },
        dryRunLatency: config.dry_run ? config.dry_run_latency : undefined,
      },
      job,
      push,
    );
  }

  #hasRoomFor(jobs: readonly NewJob[]): boolean {
    const wanted = Map.groupBy(jobs, (job) => job.lane);
    return [...wanted].every(([lane, list]) => (this.#lanes.get(lane)?.free ?? 0) >= list.length);
  }

  /** The push of a job; undefined, with the job ended, when it is cancelled, expired or forgotten. */
  async #pushToSend(job: Job): Promise<StoredPush | undefined> {
    const { db, queue, logger } = this.#options;
    const push = await this.#load(job.uid);
    const reason = !push
      ? 'unknown'
      : push.cancelled
        ? 'cancelled'
        : isOver(push.expire_at)
          ? 'expired'
          : undefined;
    if (reason === undefined) return push;
    await db.transaction((tx) => queue.finish(tx, job));
    logger.info({ uid: job.uid, lane: job.lane, reason }, 'push dropped');
    return undefined;
  }

  /** Cached for the many jobs of one push; but not its cancellation, which is asked for each time. */
  async #load(uid: string): Promise<StoredPush | undefined> {
    let cached = this.#pushes.get(uid);
    if (!cached) {
      if (this.#pushes.size >= CACHED_PUSHES) this.#pushes.delete(this.#pushes.keys().next().value as string);
      cached = this.#read(uid);
      this.#pushes.set(uid, cached);
      cached.catch(() => this.#pushes.delete(uid));
      return cached;
    }
    const push = await cached;
    const [row] = await this.#options.db.query<{ cancelled: boolean }>(
      'SELECT cancelled FROM carillon_pushes WHERE uid = $1',
      [uid],
    );
    return push && row ? { ...push, cancelled: row.cancelled } : undefined;
  }

  async #read(uid: string): Promise<StoredPush | undefined> {
    const [row] = await this.#options.db.query<StoredPush>(
      'SELECT uid, filter, messages, expire_at, rendering, cancelled FROM carillon_pushes WHERE uid = $1',
      [uid],
    );
    return row;
  }
}

function isOver(expireAt: Date | null): boolean {
  return expireAt !== null && expireAt.getTime() <= Date.now();
}
