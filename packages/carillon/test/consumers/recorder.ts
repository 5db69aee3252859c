import { CommandRunner } from '../../src/consumers/command-runner.ts';
import type { ConsumerCounters } from '../../src/consumers/consumer.ts';
import type { Logger } from '../../src/logger.ts';

/** The requests of these tests: numbered, and in a partition. */
export interface Numbered {
  readonly n: number;
  readonly partition?: number;
}

/** Stands in for the server API behind a consumer: records what is carried out, and counts and logs what is said. */
export class Recorder {
  readonly done: { readonly method: string; readonly n: number; readonly partition: number }[] = [];
  readonly logged: string[] = [];
  readonly lags = new Map<string, number>();
  processed = 0;
  failed = 0;
  parked = 0;
  retained = 0;
  /** May throw, wait, or look at what comes. */
  dispatch: (method: string, request: Numbered) => Promise<unknown> | unknown = () => ({});
  #waiting = new Set<() => void>();

  readonly logger: Logger = {
    debug() {},
    info: (fields: object, message: string) => this.#log(fields, message),
    warn: (fields: object, message: string) => this.#log(fields, message),
    error: (fields: object, message: string) => this.#log(fields, message),
  };

  readonly counters: ConsumerCounters = {
    processed: (count) => {
      this.processed += count;
      this.#changed();
    },
    failed: () => {
      this.failed += 1;
      this.#changed();
    },
    parked: (count) => {
      this.parked += count;
    },
    retained: (bytes) => {
      this.retained = bytes;
    },
    lag: (unit, partition, value) => {
      this.lags.set(`${unit}:${partition}`, value);
      this.#changed();
    },
  };

  runner({ maxAttempts = 0, isAllowed = (method: string) => method !== 'info' } = {}): CommandRunner {
    return new CommandRunner({
      name: 'test',
      isAllowed,
      maxAttempts,
      counters: this.counters,
      logger: this.logger,
      dispatch: async (method, request) => {
        const { n, partition = 0 } = request as Numbered;
        await this.dispatch(method, { n, partition });
        this.done.push({ method, n, partition });
        this.#changed();
        return {};
      },
    });
  }

  /** The numbers that were carried out, in order; of one partition, or of all. */
  order(partition?: number): number[] {
    return this.done
      .filter((one) => partition === undefined || one.partition === partition)
      .map(({ n }) => n);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.next();
  }

  /** Resolves when something has happened. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #log(fields: object, message: string): void {
    this.logged.push(`${message} ${JSON.stringify(fields)}`);
    this.#changed();
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** 0, 1, … below `count`. */
export function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}
