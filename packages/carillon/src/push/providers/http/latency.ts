const WINDOW_MS = 1_000;
/** A shorter silence may be this thread's own. */
const SILENCE_MS = 50;

/**
 * How soon a service answers: the quickest answer of the last one or two windows, since others may have waited for this
 * thread. While something is under way and no answer comes, the silence counts once it is longer. Times are those of
 * `performance.now()`.
 */
export class Latency {
  #windowStart = 0;
  #quickest = Number.POSITIVE_INFINITY;
  #quickestBefore = Number.POSITIVE_INFINITY;
  #lastAnswerAt = 0;

  /** An answer began now. */
  note(startedAt: number, now: number): void {
    const latency = now - startedAt;
    this.#lastAnswerAt = now;
    if (now - this.#windowStart > WINDOW_MS) {
      this.#windowStart = now;
      this.#quickestBefore = this.#quickest;
      this.#quickest = latency;
    } else if (latency < this.#quickest) this.#quickest = latency;
  }

  /**
   * Milliseconds; infinite before the first answer.
   * @param oldestStart of what is under way
   */
  at(now: number, oldestStart: number | undefined): number {
    const quickest = Math.min(this.#quickest, this.#quickestBefore);
    if (oldestStart === undefined) return quickest;
    const silence = now - Math.max(oldestStart, this.#lastAnswerAt);
    return silence > SILENCE_MS ? Math.max(quickest, silence) : quickest;
  }
}
