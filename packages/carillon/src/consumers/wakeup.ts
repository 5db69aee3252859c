/** Lets one worker sleep until a time has passed or somebody wakes it. Wakes coalesce, and one is kept while it is awake. */
export class Wakeup {
  #pending = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Resolves after `ms`, at a wake (unless `ignoreWakes`), or when `signal` aborts. */
  async wait(
    ms: number,
    { signal, ignoreWakes = false }: { signal: AbortSignal; ignoreWakes?: boolean },
  ): Promise<void> {
    if (signal.aborted || (this.#pending && !ignoreWakes)) {
      this.#pending = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#resolve = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      if (!ignoreWakes) this.#resolve = done;
    });
    if (!ignoreWakes) this.#pending = false;
  }
}
