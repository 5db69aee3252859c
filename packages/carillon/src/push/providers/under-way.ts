/**
 * What a batch has under way. It counts and keeps nothing else: thousands of promises that are settled, held until the
 * last of their batch is, cost more of the garbage collector's time than the requests they stood for.
 */
export class UnderWay {
  #count = 0;
  #onIdle: (() => void) | undefined;

  readonly #ended = (): void => {
    this.#count -= 1;
    if (this.#count === 0) this.#onIdle?.();
  };

  /** @param work must not reject */
  add(work: Promise<void>): void {
    this.#count += 1;
    void work.then(this.#ended);
  }

  /** Resolves when all have ended; to be called once, after the last was added. */
  async ended(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }
}
