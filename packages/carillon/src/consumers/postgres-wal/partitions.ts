import type { Logger } from '../../logger.ts';
import type { CommandRunner, Verdict } from '../command-runner.ts';
import type { ConsumerCounters, SourceCommand } from '../consumer.ts';
import type { ParkingLot } from '../parking.ts';
import { PartitionWorker } from '../partition-worker.ts';
import type { OpenTransaction } from './wal-position.ts';

/** A row of the table, as it was inserted. */
export interface WalRow {
  readonly id: string;
  readonly method: string;
  /** The column's text; undefined or null when there is none. */
  readonly payload: string | null | undefined;
  /** Whether the column is of a JSON type, so that its text is sure to be JSON. */
  readonly isJson: boolean;
  readonly partition: string;
  /** Where it stands in the log; undefined for one that was read from the table. */
  readonly place?: { readonly transaction: OpenTransaction; readonly index: number };
}

export interface PartitionsOptions {
  readonly name: string;
  readonly runner: Pick<CommandRunner, 'run'>;
  readonly parking: ParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
  /** Commands that run at the same time. */
  readonly concurrency: number;
  readonly onSettled: (row: WalRow) => void;
}

/** Carries out rows: in order within a partition, partitions side by side, no more than `concurrency` commands at once. */
export class Partitions {
  readonly #options: PartitionsOptions;
  readonly #workers = new Map<string, PartitionWorker<WalRow>>();
  readonly #turns: (() => void)[] = [];
  #running = 0;
  #stopped = false;
  #rows = 0;
  #bytes = 0;
  #onFewer: (() => void) | undefined;

  constructor(options: PartitionsOptions) {
    this.#options = options;
  }

  /** Rows that are not settled. */
  get rows(): number {
    return this.#rows;
  }

  /** Characters of their payloads, about what they take of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  add(row: WalRow): void {
    if (this.#stopped) return;
    this.#rows += 1;
    this.#bytes += row.payload?.length ?? 0;
    let worker = this.#workers.get(row.partition);
    if (!worker) {
      worker = this.#createWorker(row.partition);
      this.#workers.set(row.partition, worker);
    }
    worker.add([row]);
  }

  /** Resolves when no more than `rows` are unsettled, or when it was stopped. */
  async untilAtMost(rows: number): Promise<void> {
    while (this.#rows > rows && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#onFewer = resolve;
      });
    }
  }

  /** Begins no more commands; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const turn of this.#turns.splice(0)) turn();
    this.#onFewer?.();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
  }

  #createWorker(partition: string): PartitionWorker<WalRow> {
    const { name, parking, counters, logger } = this.#options;
    const worker: PartitionWorker<WalRow> = new PartitionWorker({
      name,
      parking,
      counters,
      logger,
      runner: { run: (command, attempt) => this.#runInTurn(command, attempt) },
      commandOf: toCommand,
      onSettled: (row) => {
        this.#rows -= 1;
        this.#bytes -= row.payload?.length ?? 0;
        if (worker.size === 0) this.#workers.delete(partition);
        this.#options.onSettled(row);
        this.#onFewer?.();
      },
    });
    return worker;
  }

  async #runInTurn(command: SourceCommand, attempt: number): Promise<Verdict> {
    if (this.#running >= this.#options.concurrency)
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    else this.#running += 1;
    if (this.#stopped) return { kind: 'retry', delay: 1, error: new Error('the consumer was stopped') };
    try {
      return await this.#options.runner.run(command, attempt);
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

function toCommand({ id, method, payload, isJson, partition }: WalRow): SourceCommand {
  if (typeof payload !== 'string')
    return { method, body: null, partition, position: id, problem: 'the row has no payload' };
  const body = isJson ? (JSON.parse(payload) as unknown) : payload;
  return { method, body, partition, position: id };
}
