/**
 * The push queue: the pushes that were accepted, and the jobs that they became.
 *
 * The life of a job: **ready** (its time has come, nobody has it) → **leased** (a worker has it for the length of a lease,
 * which the worker keeps renewing) → gone. A worker that dies stops renewing, and its jobs become ready again within the
 * lease; what was settled until then is noted on the job and not repeated. **Delayed** is ready with a time to come.
 *
 * Every change is one atomic step of the engine: a push comes with its first jobs, a job ends together with the jobs that
 * follow from it. So a crash between two steps repeats work, but never loses or doubles jobs. What a worker does elsewhere
 * (removing devices, recording statuses) is idempotent and comes before the job's end.
 *
 * Lanes keep work apart: `fanout` finds recipients, and each provider of each app has its own, so that one that hangs holds
 * up no other.
 */
import type { ProviderLane } from '../providers/lanes.ts';
import type { ProviderName, Target } from '../providers/provider.ts';
import type { StoredPush } from './stored-push.ts';

export type Lane = 'fanout' | ProviderLane;

/** Finds recipients from `cursor` on (the last device id handled). */
export interface FanoutPayload {
  readonly cursor: string;
}

/** Rings these devices, or these raw targets. */
export type SendPayload = { readonly devices: readonly string[] } | { readonly targets: readonly Target[] };

export interface Job<Payload = FanoutPayload | SendPayload> {
  readonly id: string;
  readonly lane: Lane;
  readonly uid: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly payload: Payload;
  /** Indexes into the payload's list that an earlier holder got accepted. */
  readonly settled: readonly number[];
  /** Whether its push had been cancelled when the job was taken. */
  readonly cancelled: boolean;
}

export interface NewJob {
  readonly lane: Lane;
  readonly uid: string;
  readonly payload: FanoutPayload | SendPayload;
  readonly attempt?: number;
  /** Milliseconds from now; 0 when absent. */
  readonly delayMs?: number;
}

/** Somebody whom a push will not reach, and why. */
export interface DeadLetter {
  readonly provider: ProviderName;
  /** A device's id, or a shortened token. */
  readonly recipient: string;
  readonly code: string;
  readonly reason: string;
}

/** A dead letter as it is read. */
export interface BuriedLetter extends DeadLetter {
  /** How often it was tried. */
  readonly attempts: number;
}

/** A push, and what has been decided of it since it was accepted. */
export interface LoadedPush {
  readonly push: StoredPush;
  readonly cancelled: boolean;
  /** Whether a job of it ended because its time was over. */
  readonly expired: boolean;
}

/** What follows from a job that ends. */
export interface Ending {
  readonly next?: readonly NewJob[];
  readonly dead?: readonly DeadLetter[];
  /** The job ends because the push's time is over: that is noted on the push. */
  readonly expired?: boolean;
  /** The jobs that follow start as leased to this worker, which runs them at once; an engine may decline, and add them as any. */
  readonly lease?: boolean;
}

/** What is in a lane. */
export interface LaneDepth {
  /** Jobs whose time has come, leased ones included. */
  readonly ready: number;
  /** Those of them that a worker has. */
  readonly leased: number;
  readonly delayed: number;
  /** How long the oldest ready job waits, in milliseconds. */
  readonly lagMs: number;
}

/** Thrown when a job is no longer this worker's: its lease ran out and another has it. */
export class LeaseLostError extends Error {
  override name = 'LeaseLostError';

  constructor(job: Job) {
    super(`job ${job.id} belongs to another worker now`);
  }
}

/** Thrown by `accept` when a lane has as many waiting jobs as it may. */
export class QueueFullError extends Error {
  override name = 'QueueFullError';
}

/**
 * An engine of the queue. Every method rejects with `UnavailableError` while its server cannot be reached; jobs and pushes
 * are there again when it is back.
 */
export interface PushQueue {
  readonly kind: 'postgresql' | 'redis';
  /**
   * Stores a push with its first jobs; durable once it resolves.
   * @returns false, with nothing changed, when the `uid` is known
   * @throws QueueFullError
   */
  accept(push: StoredPush, jobs: readonly NewJob[]): Promise<boolean>;
  /** Undefined when it is unknown or forgotten. */
  load(uid: string): Promise<LoadedPush | undefined>;
  /** Marks a push as cancelled and removes those of its jobs that nobody has; gives back these. */
  cancel(uid: string): Promise<readonly Job[]>;
  /** Jobs left of a push, delayed and leased ones included. */
  pending(uid: string): Promise<number>;
  /** The latest dead letters of a push, 100 at the most, oldest first. */
  deadLetters(uid: string): Promise<readonly BuriedLetter[]>;
  /** Leases up to `limit` ready jobs of a lane, oldest first. */
  take(lane: Lane, limit: number): Promise<Job[]>;
  /** Moves the leases of these jobs ahead. */
  renew(ids: readonly string[]): Promise<void>;
  /** Notes indexes of a send job as accepted. */
  markSettled(job: Job, indexes: readonly number[]): Promise<void>;
  /**
   * Moves a fan-out's cursor and adds the jobs of the page before it.
   * @returns whether the push has been cancelled meanwhile
   * @throws LeaseLostError
   */
  advance(job: Job, cursor: string, jobs: readonly NewJob[]): Promise<boolean>;
  /** Ends a job. @returns the jobs that follow, when they are leased @throws LeaseLostError */
  finish(job: Job, ending?: Ending): Promise<Job[]>;
  /** Makes leased jobs ready again, for a worker that stops. */
  giveBack(ids: readonly string[]): Promise<void>;
  /** Milliseconds until the lane's next job is ready; undefined when it has none. */
  nextReadyIn(lane: Lane): Promise<number | undefined>;
  /** Lanes that have jobs. */
  depth(): Promise<ReadonlyMap<string, LaneDepth>>;
  /** Calls back whenever jobs of a lane may have come (`undefined`: of any). */
  onReady(listener: (lane: string | undefined) => void): Promise<() => Promise<void>>;
  /** Forgets pushes and dead letters whose time is over. */
  purge(): Promise<void>;
  /** Resolves when the engine answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How long a push's `uid` is remembered after it was accepted: a repeat within that time is not sent again. */
export const UID_RETENTION_HOURS = 24;
export const DEAD_LETTER_RETENTION_DAYS = 7;
export const DEAD_LETTERS_READ = 100;
