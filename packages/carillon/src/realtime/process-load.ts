/** Shorter spans say little. */
const MIN_SPAN_MS = 1_000;

/** What this process takes of its machine. */
export class ProcessLoad {
  #last = { at: performance.now(), used: process.cpuUsage(), percent: 0 };

  /** `cpu`: percent of one core since the last look; `rss`: bytes. */
  look(): { cpu: number; rss: number } {
    const now = performance.now();
    const span = now - this.#last.at;
    if (span >= MIN_SPAN_MS) {
      const { user, system } = process.cpuUsage(this.#last.used);
      const percent = Math.round((user + system) / span) / 10;
      this.#last = { at: now, used: process.cpuUsage(), percent };
    }
    return { cpu: this.#last.percent, rss: process.memoryUsage.rss() };
  }
}
