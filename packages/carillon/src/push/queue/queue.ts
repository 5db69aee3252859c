/**
 * The push queue.
 *
 * The life of a job: **ready** (its time has come, nobody has it) → **leased** (a worker has it until `ready_at`, which
 * the worker keeps moving ahead) → gone. A worker that dies stops renewing, and its jobs become ready again within the
 * lease; what was settled until then is noted on the job and not repeated. **Delayed** is ready with a time to come.
 *
 * Lanes keep work apart: `fanout` finds recipients, and each provider has its own, so that one that hangs holds up no
 * other.
 */
import type { Queryable } from '../../storage/database.ts';
import type { ProviderName, Target } from '../providers/provider.ts';

export type Lane = 'fanout' | ProviderName;

/** Finds recipients from `cursor` on (the last device id handled). */
export interface FanoutPayload {
  readonly cursor: string;
}

/** Rings these devices, or these raw targets. */
export type SendPayload = { readonly devices: readonly string[] } | { readonly targets: readonly Target[] };

export interface Job<Payload = FanoutPayload | SendPayload> {
  readonly id: number;
  readonly lane: Lane;
  readonly uid: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly payload: Payload;
  /** Indexes into the payload's list that an earlier holder got accepted. */
  readonly settled: readonly number[];
}

export interface NewJob {
  readonly lane: Lane;
  readonly uid: string;
  readonly payload: FanoutPayload | SendPayload;
  readonly attempt?: number;
  /** Milliseconds from now; 0 when absent. */
  readonly delayMs?: number;
}

/** Thrown when a job is no longer this worker's: its lease ran out and another has it. */
export class LeaseLostError extends Error {
  override name = 'LeaseLostError';
}

export interface PushQueue {
  /** Adds jobs inside `tx` and wakes workers when it commits. With `lease`, they start as leased to this worker. */
  add(tx: Queryable, jobs: readonly NewJob[], options?: { lease: boolean }): Promise<Job[]>;
  /** Leases up to `limit` ready jobs of a lane, oldest first. */
  take(lane: Lane, limit: number): Promise<Job[]>;
  /** Moves the leases of these jobs ahead. */
  renew(ids: readonly number[]): Promise<void>;
  /** Notes indexes as accepted, outside any transaction. */
  markSettled(job: Job, indexes: readonly number[]): Promise<void>;
  /** Moves a fan-out's cursor inside `tx`. @throws LeaseLostError */
  moveCursor(tx: Queryable, job: Job, cursor: string): Promise<void>;
  /** Ends a job inside `tx`. @throws LeaseLostError */
  finish(tx: Queryable, job: Job): Promise<void>;
  /** Makes leased jobs ready again, for a worker that stops. */
  giveBack(ids: readonly number[]): Promise<void>;
  /** Milliseconds until the lane's next job is ready; undefined when it has none. */
  nextReadyIn(lane: Lane): Promise<number | undefined>;
  /** Jobs waiting or under way, per lane. */
  depth(): Promise<ReadonlyMap<string, number>>;
  /** Calls back whenever jobs of a lane may have come (`undefined`: of any). */
  onReady(listener: (lane: string | undefined) => void): Promise<() => Promise<void>>;
}
