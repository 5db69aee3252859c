import type { Logger } from '../logger.ts';
import { backoff } from './backoff.ts';
import type { CommandRunner } from './command-runner.ts';
import type { ConsumerCounters, SourceCommand } from './consumer.ts';
import { giveWay } from './give-way.ts';
import type { ParkingLot } from './parking.ts';
import { Wakeup } from './wakeup.ts';

export interface PartitionWorkerOptions<Item> {
  readonly name: string;
  readonly runner: Pick<CommandRunner, 'run'>;
  readonly parking: ParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
  /** What to run for an item; undefined when it asks for nothing (a tombstone). */
  readonly commandOf: (item: Item) => SourceCommand | undefined;
  /** Called in order, once an item's command has taken effect or is parked. */
  readonly onSettled: (item: Item) => void;
}

/**
 * The commands of one partition of a source that hands over records by itself (Kafka, the database's log, a stream).
 *
 * *Idle*: nothing waits. *Working*: the first item's command runs; when it has taken effect or is parked the item is
 * settled and the next one follows. *Backing off*: the command failed in a way that may pass, or could not be parked;
 * the same item is tried again after a growing delay and all others wait, since order is the promise. *Stopped* is
 * final: the command under way is waited for, what has not begun is left to whoever reads the source next.
 */
export class PartitionWorker<Item> {
  readonly #options: PartitionWorkerOptions<Item>;
  readonly #abort = new AbortController();
  readonly #pause = new Wakeup();
  #items: Item[] = [];
  /** The first item that is not settled. */
  #head = 0;
  #work: Promise<void> | undefined;

  constructor(options: PartitionWorkerOptions<Item>) {
    this.#options = options;
  }

  /** Items that are not settled. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  add(items: Iterable<Item>): void {
    if (this.#abort.signal.aborted) return;
    for (const item of items) this.#items.push(item);
    this.#work ??= this.#run();
  }

  /** Resolves when the command under way, if any, has ended. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#work;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let attempt = 1;
    while (this.size > 0 && !signal.aborted) {
      const pause = giveWay();
      if (pause) {
        await pause;
        continue;
      }
      const item = this.#items[this.#head] as Item;
      const delay = await this.#try(item, attempt);
      if (delay > 0) {
        attempt += 1;
        await this.#pause.wait(delay, { signal, ignoreWakes: true });
        continue;
      }
      attempt = 1;
      this.#next();
      this.#options.counters.processed(1);
      this.#options.onSettled(item);
    }
    this.#work = undefined;
  }

  /** One attempt at an item; gives back how long to wait for the next one, 0 when the item is settled. */
  async #try(item: Item, attempt: number): Promise<number> {
    const { name, commandOf, runner, parking, logger } = this.#options;
    const command = commandOf(item);
    if (!command) return 0;
    const verdict = await runner.run(command, attempt);
    if (verdict.kind === 'done') return 0;
    if (verdict.kind === 'retry') return verdict.delay;
    try {
      await parking.park(name, { ...command, reason: verdict.reason });
      this.#options.counters.parked(1);
      return 0;
    } catch (error) {
      logger.error({ err: error, consumer: name }, 'consumer: a command could not be parked, will try again');
      return backoff(attempt);
    }
  }

  #next(): void {
    this.#items[this.#head] = undefined as Item;
    this.#head += 1;
    // Moved down now and then, so that neither a long queue nor a long life costs.
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}
