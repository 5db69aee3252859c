import type { Logger } from '../../logger.ts';
import { type Job, type Lane, LeaseLostError, type PushQueue } from '../queue/queue.ts';

/** The longest sleep: a safety net should a notification get lost. */
const MAX_SLEEP_MS = 15_000;
const ERROR_PAUSE_MS = 1_000;
/** Jobs that are due and yet not to be had belong to somebody: asking at once again would get the same answer. */
const NOTHING_TAKEN_MS = 20;

export interface LaneOptions {
  readonly lane: Lane;
  readonly concurrency: number;
  readonly queue: PushQueue;
  readonly logger: Logger;
  readonly run: (job: Job) => Promise<void>;
}

/**
 * Runs the jobs of one lane, at most `concurrency` at a time.
 *
 * Idle: nothing is ready; it sleeps until the next job is due or a wake comes. Taking: it asks the queue for as many jobs as
 * it has room for. Full: no room; the end of a job makes it take again. Stopping: it takes no more and waits for what runs.
 */
export class LaneRunner {
  readonly #options: LaneOptions;
  readonly #running = new Map<string, Promise<void>>();
  #taking: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get runningIds(): readonly string[] {
    return [...this.#running.keys()];
  }

  get free(): number {
    return this.#stopped ? 0 : this.#options.concurrency - this.#running.size;
  }

  /** Looks for jobs soon; cheap to call often. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#taking) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#taking = this.#take().finally(() => {
      this.#taking = undefined;
      if (this.#again) {
        this.#again = false;
        this.wake();
      }
    });
  }

  /** Runs a job that this worker has leased already. */
  adopt(job: Job): void {
    const { run, logger, lane } = this.#options;
    const done = run(job)
      .catch((error) => {
        const where = { err: error, lane, uid: job.uid, job: job.id };
        if (error instanceof LeaseLostError) logger.info(where, 'push job is another worker’s now');
        else logger.error(where, 'push job failed; another try follows when its lease ends');
      })
      .finally(() => {
        this.#running.delete(job.id);
        this.wake();
      });
    this.#running.set(job.id, done);
  }

  /** Takes no more; resolves when what runs has ended or `timeoutMs` is over. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#taking;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(this.#running.values()), timeout]);
    clearTimeout(timer);
  }

  async #take(): Promise<void> {
    const { lane, queue, logger } = this.#options;
    try {
      while (this.free > 0) {
        const room = this.free;
        const jobs = await queue.take(lane, room);
        for (const job of jobs) {
          // Its lease had run out while the queue was away; now it is ours anew, and under way already.
          if (!this.#running.has(job.id)) this.adopt(job);
        }
        if (jobs.length < room) {
          const next = await queue.nextReadyIn(lane);
          const pause = jobs.length === 0 ? Math.max(next ?? MAX_SLEEP_MS, NOTHING_TAKEN_MS) : next;
          this.#sleep(Math.min(pause ?? MAX_SLEEP_MS, MAX_SLEEP_MS));
          return;
        }
      }
    } catch (error) {
      if (this.#stopped) return;
      logger.error({ err: error, lane }, 'push queue: could not take jobs');
      this.#sleep(ERROR_PAUSE_MS);
    }
  }

  #sleep(ms: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    // A millisecond more, so that the job is due when it is asked for.
    this.#timer = setTimeout(() => this.wake(), ms + 1);
  }
}
