/** Something that is over at its time. */
export interface Deadline {
  /** By `performance.now()`. */
  readonly at: number;
  readonly expire: () => void;
}

/**
 * Deadlines that all come equally long after their start, so that the oldest is the next: one timer serves thousands,
 * where one for each would cost more than the rest of the bookkeeping. The timer keeps no process alive: what waits
 * for an answer has a socket that does.
 */
export class Deadlines {
  readonly #afterMs: number;
  /** In the order in which they were added. */
  readonly #open = new Set<Deadline>();
  #timer: NodeJS.Timeout | undefined;

  /** @param afterMs from start to deadline */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /** @param startedAt by `performance.now()`; not before that of an earlier call */
  add(startedAt: number, expire: () => void): Deadline {
    const deadline = { at: startedAt + this.#afterMs, expire };
    this.#open.add(deadline);
    if (!this.#timer) this.#wait(this.#afterMs);
    return deadline;
  }

  remove(deadline: Deadline): void {
    this.#open.delete(deadline);
  }

  #wait(ms: number): void {
    // A millisecond more, so that it is over when it is looked at.
    this.#timer = setTimeout(() => this.#expire(), ms + 1);
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const deadline of this.#open) {
      if (deadline.at > now) {
        this.#wait(deadline.at - now);
        return;
      }
      this.#open.delete(deadline);
      deadline.expire();
    }
  }
}
