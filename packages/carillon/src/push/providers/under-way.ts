/**
 * Counts what a batch has under way, and keeps nothing else of it: thousands of promises that are settled, held until
 * the last of their batch is, cost the garbage collector more than the requests they stood for.
 */
export class UnderWay {
  #count = 0;
  #onIdle: (() => void) | undefined;

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#onIdle?.();
  }

  /** @param work must not reject */
  add(work: Promise<void>): void {
    this.begin();
    void work.then(() => this.end());
  }

  /** Resolves when all have ended; to be called once, after the last began. */
  async ended(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }
}
