/** Something that is over at its time. */
export interface Deadline {
  /** By `performance.now()`. */
  readonly startedAt: number;
  expire(): void;
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

  /** Its start must not be before that of one added earlier. */
  add(deadline: Deadline): void {
    this.#open.add(deadline);
    if (!this.#timer) this.#wait(this.#afterMs);
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
      const leftMs = deadline.startedAt + this.#afterMs - now;
      if (leftMs > 0) {
        this.#wait(leftMs);
        return;
      }
      this.#open.delete(deadline);
      deadline.expire();
    }
  }
}
