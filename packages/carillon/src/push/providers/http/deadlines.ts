/** Something that is over at its time. */
export abstract class Deadline {
  /** By `performance.now()`. */
  abstract readonly startedAt: number;
  /** Its neighbours among those that are open, kept by `Deadlines`. */
  previous: Deadline | undefined;
  next: Deadline | undefined;

  abstract expire(): void;
}

/**
 * Deadlines that all come equally long after their start, so that the oldest is the next: one timer serves thousands,
 * where one for each would cost more than the rest of the bookkeeping. They are linked to each other, since a set that
 * thousands enter and leave every second is built anew again and again. The timer keeps no process alive: what waits for
 * an answer has a socket that does.
 */
export class Deadlines {
  readonly #afterMs: number;
  #oldest: Deadline | undefined;
  #newest: Deadline | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param afterMs from start to deadline */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /** When the oldest began that is still open. */
  get oldestStart(): number | undefined {
    return this.#oldest?.startedAt;
  }

  /** Its start must not be before that of one added earlier. */
  add(deadline: Deadline): void {
    deadline.previous = this.#newest;
    if (this.#newest) this.#newest.next = deadline;
    else this.#oldest = deadline;
    this.#newest = deadline;
    if (!this.#timer) this.#wait(this.#afterMs);
  }

  /** Does nothing where it was removed, or has expired. */
  remove(deadline: Deadline): void {
    const { previous, next } = deadline;
    if (previous) previous.next = next;
    else if (this.#oldest === deadline) this.#oldest = next;
    if (next) next.previous = previous;
    else if (this.#newest === deadline) this.#newest = previous;
    deadline.previous = undefined;
    deadline.next = undefined;
  }

  #wait(ms: number): void {
    // A millisecond more, so that it is over when it is looked at.
    this.#timer = setTimeout(() => this.#expire(), ms + 1);
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let oldest = this.#oldest; oldest; oldest = this.#oldest) {
      const leftMs = oldest.startedAt + this.#afterMs - now;
      if (leftMs > 0) {
        this.#wait(leftMs);
        return;
      }
      this.remove(oldest);
      oldest.expire();
    }
  }
}
