import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './verdict.ts';

/** For this long after a shut the rate grows back to what it was. */
const RAMP_MS = 60_000;
const RAMP_FROM = 0.1;
/** Sends a second that a ramp grows to at least, however few there were before. */
const MIN_RATE = 10;
const RATE_WINDOW_MS = 10_000;
const MAX_WAIT_MS = 600_000;

/** Why nothing passes. */
export interface Closure {
  readonly code: string;
  readonly reason: string;
  /** When the service says so; else the gate's own wait, which doubles while it is of no avail. */
  readonly retryAfterMs?: number | undefined;
}

export interface GateOptions {
  /** Milliseconds; never goes back. */
  readonly clock?: () => number;
  /** Wait of a shut for which the service names none. */
  readonly waitMs: number;
  /** The share of the rate before a shut that its ramp begins with, 0 to 1. Default a tenth. */
  readonly rampFrom?: number;
  /** Ends those who wait. */
  readonly signal: AbortSignal;
}

/**
 * Whether requests with one credential may set off.
 *
 * Open: all may; they are counted, to know the usual rate. Shut: none may until a time, and who asks is told that
 * time: a service that has had enough gets quiet, not every other target's attempt. Ramping, for a minute after: they
 * may at a rate that grows from a share of the usual one to the whole of it, and who comes too early waits here. To be
 * shut again while ramping doubles the next wait and halves the share.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #clock: () => number;
  #closure: Closure | undefined;
  #shutUntil = 0;
  #rampUntil = 0;
  #strikes = 0;
  #usualRate = 0;
  #windowStart: number;
  #windowCount = 0;
  /** Sends that may set off at once while ramping. Below zero after one that carried many. */
  #allowance = 0;
  #refilledAt = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#windowStart = this.#clock();
    this.#shutUntil = this.#windowStart;
    this.#rampUntil = this.#windowStart;
  }

  /** Shuts the gate. What comes back from before the shut prolongs it only when the service names a later time. */
  shut(closure: Closure): void {
    const now = this.#clock();
    const isShut = now < this.#shutUntil;
    if (!isShut) {
      this.#strikes = now < this.#rampUntil ? this.#strikes + 1 : 0;
      if (this.#strikes === 0) this.#usualRate = Math.max(this.#rate(now), MIN_RATE);
    } else if (closure.retryAfterMs === undefined) return;
    const waitMs = closure.retryAfterMs ?? Math.min(this.#options.waitMs * 2 ** this.#strikes, MAX_WAIT_MS);
    if (now + waitMs <= this.#shutUntil) return;
    this.#closure = closure;
    this.#shutUntil = now + waitMs;
    this.#rampUntil = this.#shutUntil + RAMP_MS;
    this.#allowance = 0;
    this.#refilledAt = this.#shutUntil;
  }

  /** What to report for a target while the gate is shut; undefined when it is not. */
  refusal(): Answer | undefined {
    if (!this.#closure) return undefined;
    const retryAfterMs = Math.ceil(this.#shutUntil - this.#clock());
    if (retryAfterMs <= 0) return undefined;
    const { code, reason } = this.#closure;
    return { kind: 'retry', code, reason: `not sent: ${reason}`, retryAfterMs, isHeld: true };
  }

  /** Lets sends through when all may, without a wait. */
  tryPass(count = 1): boolean {
    const now = this.#clock();
    if (now < this.#rampUntil) return false;
    if (now - this.#windowStart >= RATE_WINDOW_MS) {
      this.#usualRate = this.#rate(now);
      this.#windowStart = now;
      this.#windowCount = 0;
    }
    this.#windowCount += count;
    return true;
  }

  /**
   * Lets sends through, at once or when their turn has come: undefined, else what to report. Rejects with the signal's
   * reason when it is aborted meanwhile.
   */
  async pass(count = 1): Promise<Answer | undefined> {
    while (!this.tryPass(count)) {
      const refusal = this.refusal();
      if (refusal) return refusal;
      const waitMs = this.#take(count);
      if (waitMs === 0) return undefined;
      await delay(waitMs, undefined, { signal: this.#options.signal });
    }
    return undefined;
  }

  /** @returns 0 when they may set off, else how long until they may */
  #take(count: number): number {
    const now = this.#clock();
    const from = (this.#options.rampFrom ?? RAMP_FROM) / 2 ** this.#strikes;
    const grown = Math.min(1, Math.max(0, 1 - (this.#rampUntil - now) / RAMP_MS));
    const rate = (this.#usualRate * (from + (1 - from) * grown)) / 1000;
    this.#allowance = Math.min(this.#allowance + (now - this.#refilledAt) * rate, Math.max(1, rate * 1000));
    this.#refilledAt = now;
    if (this.#allowance < 1) return Math.min(Math.ceil((1 - this.#allowance) / rate), RAMP_MS);
    this.#allowance -= count;
    return 0;
  }

  /** Sends a second, lately. */
  #rate(now: number): number {
    const seconds = Math.max(1_000, now - this.#windowStart) / 1000;
    const current = this.#windowCount / seconds;
    return now - this.#windowStart < RATE_WINDOW_MS ? Math.max(current, this.#usualRate) : current;
  }
}
