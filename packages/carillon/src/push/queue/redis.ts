import type { QueueConfig } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { Reply } from '../../storage/redis/link.ts';
import {
  type BuriedLetter,
  type Ending,
  type FanoutPayload,
  type Job,
  type Lane,
  type LaneDepth,
  LeaseLostError,
  type LoadedPush,
  type NewJob,
  type PushQueue,
  QueueFullError,
  type SendPayload,
} from './queue.ts';
import { connectRedis, type RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './redis/scripts.ts';
import type { StoredPush } from './stored-push.ts';

export interface RedisQueueOptions
  extends Pick<QueueConfig['redis'], 'address' | 'prefix' | 'max_stream_length'> {
  /** Unique to this process: the consumer's name. */
  readonly workerId: string;
  readonly leaseMs: number;
  readonly logger: Logger;
}

/**
 * Opens the queue in Redis Streams (Redis 7). Says so, once, when Redis would lose the queue with its own process.
 * @throws UnavailableError when Redis does not answer
 */
export async function openRedisQueue(options: RedisQueueOptions): Promise<PushQueue> {
  const { address, prefix, logger } = options;
  const root = `{${prefix}.push}`;
  const connection = await connectRedis(address, root, logger);
  await warnOfForgetfulness(connection, logger);
  return new RedisQueue(connection, root, options);
}

/** The queue in Redis: the steps are scripts, see `redis/scripts.ts`. All times are those of Redis. */
class RedisQueue implements PushQueue {
  readonly kind = 'redis';
  readonly #redis: RedisConnection;
  readonly #root: string;
  readonly #consumer: string;
  readonly #leaseMs: number;
  readonly #maxLength: number;

  constructor(
    redis: RedisConnection,
    root: string,
    { workerId, leaseMs, max_stream_length }: RedisQueueOptions,
  ) {
    this.#redis = redis;
    this.#root = root;
    this.#consumer = workerId;
    this.#leaseMs = leaseMs;
    this.#maxLength = max_stream_length;
  }

  async accept(push: StoredPush, jobs: readonly NewJob[]): Promise<boolean> {
    const args = [push.uid, JSON.stringify(push), jobRows(jobs), String(this.#maxLength)];
    const reply = await this.#redis.run(SCRIPTS.accept, args);
    if (typeof reply === 'string') {
      throw new QueueFullError(
        `the push queue is full: ${this.#maxLength} jobs wait in lane ${reply} (push_notifications.queue.redis.max_stream_length)`,
      );
    }
    return reply === 1;
  }

  async load(uid: string): Promise<LoadedPush | undefined> {
    const [record, cancelled, expired] = (await this.#redis.run(SCRIPTS.load, [uid])) as (string | null)[];
    if (!record) return undefined;
    return {
      push: JSON.parse(record) as StoredPush,
      cancelled: cancelled === '1',
      expired: expired === '1',
    };
  }

  async cancel(uid: string): Promise<readonly Job[]> {
    return jobsOf(await this.#redis.run(SCRIPTS.cancel, [uid]));
  }

  async pending(uid: string): Promise<number> {
    return (await this.#redis.run(SCRIPTS.pending, [uid])) as number;
  }

  async deadLetters(uid: string): Promise<readonly BuriedLetter[]> {
    const letters = (await this.#redis.run(SCRIPTS.deadLetters, [uid])) as string[];
    return letters.map((letter) => JSON.parse(letter) as BuriedLetter);
  }

  async take(lane: Lane, limit: number): Promise<Job[]> {
    const args = [lane, String(limit), this.#consumer, String(this.#leaseMs)];
    return jobsOf(await this.#redis.run(SCRIPTS.take, args));
  }

  async renew(ids: readonly string[]): Promise<void> {
    await this.#redis.run(SCRIPTS.renew, [this.#consumer, ...ids]);
  }

  async markSettled(job: Job, indexes: readonly number[]): Promise<void> {
    await this.#redis.run(SCRIPTS.markSettled, [this.#consumer, job.id, indexes.join(',')]);
  }

  async advance(job: Job, cursor: string, jobs: readonly NewJob[]): Promise<boolean> {
    const args = [this.#consumer, job.id, JSON.stringify({ cursor }), jobRows(jobs)];
    const reply = await this.#redis.run(SCRIPTS.advance, args);
    if (reply === 0) throw new LeaseLostError(job);
    return reply === 2;
  }

  /** Leases none of the jobs that follow: a stream hands out its entries in order only. */
  async finish(job: Job, { next = [], dead = [], expired = false }: Ending = {}): Promise<Job[]> {
    const args = [this.#consumer, job.id, jobRows(next), JSON.stringify(dead), expired ? '1' : '0'];
    if ((await this.#redis.run(SCRIPTS.finish, args)) !== 1) throw new LeaseLostError(job);
    return [];
  }

  async giveBack(ids: readonly string[]): Promise<void> {
    await this.#redis.run(SCRIPTS.giveBack, [this.#consumer, ...ids]);
  }

  async nextReadyIn(lane: Lane): Promise<number | undefined> {
    const reply = await this.#redis.run(SCRIPTS.nextReadyIn, [lane, String(this.#leaseMs)]);
    return reply === null ? undefined : Number(reply);
  }

  async depth(): Promise<ReadonlyMap<string, LaneDepth>> {
    const lanes = (await this.#redis.run(SCRIPTS.depth, [])) as [string, number, number, number, string][];
    return new Map(
      lanes.map(([lane, ready, leased, delayed, lag]) => [
        lane,
        { ready, leased, delayed, lagMs: Number(lag) },
      ]),
    );
  }

  onReady(listener: (lane: string | undefined) => void): Promise<() => Promise<void>> {
    return this.#redis.subscribe(`${this.#root}:wake`, listener);
  }

  async purge(): Promise<void> {
    await this.#redis.run(SCRIPTS.purge, []);
  }

  async ping(): Promise<void> {
    await this.#redis.command(['PING']);
  }

  close(): Promise<void> {
    return this.#redis.close();
  }
}

function jobRows(jobs: readonly NewJob[]): string {
  return JSON.stringify(
    jobs.map(({ lane, uid, payload, attempt = 1, delayMs = 0 }) => ({
      lane,
      uid,
      // As text: Lua would turn empty lists into maps.
      payload: JSON.stringify(payload),
      attempt,
      delay: Math.ceil(delayMs),
    })),
  );
}

function jobsOf(reply: Reply): Job[] {
  return (reply as string[][]).map((body) => {
    const [id, lane, uid, attempt, payload, settled, cancelled] = body as [
      string,
      Lane,
      string,
      string,
      string,
      string,
      string,
    ];
    return {
      id,
      lane,
      uid,
      attempt: Number(attempt),
      payload: JSON.parse(payload) as FanoutPayload | SendPayload,
      settled: settled === '' ? [] : settled.split(',').map(Number),
      cancelled: cancelled === '1',
    };
  });
}

/** Without its log Redis keeps the queue in memory only. Some hosts forbid to ask. */
async function warnOfForgetfulness(redis: RedisConnection, logger: Logger): Promise<void> {
  const reply = await redis.command(['CONFIG', 'GET', 'appendonly']).catch(() => null);
  const value = Array.isArray(reply) ? reply[1] : (reply as { appendonly?: string } | null)?.appendonly;
  if (value === 'no') {
    logger.warn(
      {},
      'Redis keeps the push queue in memory only (appendonly no): a restart of Redis would lose accepted pushes; set appendonly yes there',
    );
  }
}
