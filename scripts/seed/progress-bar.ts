/** A step at a time: a bar with rate and remaining time on a terminal, elsewhere one line when a step is done. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  #step = '';
  #startedAt = 0;
  #endedAt = performance.now();

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** `done` of `total` of a step; a new name begins a new step, timed from the end of the one before. */
  update(step: string, done: number, total: number): void {
    const now = performance.now();
    if (step !== this.#step) this.#startedAt = this.#endedAt;
    this.#step = step;
    const seconds = (now - this.#startedAt) / 1000;
    if (done >= total) this.#endedAt = now;
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\x1b[K${barLine(step, done, total, seconds)}${done >= total ? '\n' : ''}`);
    } else if (done >= total) {
      this.#stream.write(`${barLine(step, done, total, seconds)}\n`);
    }
  }
}

const WIDTH = 24;
const STEP_WIDTH = 22;

/** `users   ████░░  50,000 of 100,000  25,000/s  2 s left` */
export function barLine(step: string, done: number, total: number, seconds: number): string {
  const full = Math.round((WIDTH * done) / total);
  const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full);
  const rate = done / Math.max(seconds, 0.001);
  const time =
    done >= total
      ? `in ${seconds.toFixed(1)} s`
      : `${Math.ceil((total - done) / Math.max(rate, 0.001))} s left`;
  const figures = `${done.toLocaleString('en')} of ${total.toLocaleString('en')}`;
  return `${step.padEnd(STEP_WIDTH)} ${bar}  ${figures}  ${Math.round(rate).toLocaleString('en')}/s  ${time}`;
}
