import { PartitionWorker, type PartitionWorkerOptions } from '../partition-worker.ts';
import type { TopicPartition } from './client.ts';
import type { KafkaItem } from './records.ts';

export interface AssignedPartitionOptions {
  readonly worker: Omit<PartitionWorkerOptions<KafkaItem>, 'onSettled'>;
  /** Records that are put into the queue at once. */
  readonly maxPollRecords: number;
  /** Records that may wait in the queue before it is added to; -1: it must be empty. */
  readonly queueMaxSize: number;
  /** Called when the partition is to be fetched from again. */
  readonly onHungry: () => void;
}

/**
 * A partition that this member of the group has: where to read on, what was fetched and waits, and how far it is settled.
 *
 * What was fetched waits outside the worker's queue and is put in piece by piece, and nothing more is fetched while some
 * of it waits: a partition that is held up keeps one fetch and one queue in memory, and holds up no other.
 */
export class AssignedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** `topic/partition`, for logs, metrics and parked commands. */
  readonly name: string;
  /** Where to fetch next; undefined until it is known what the group has committed. */
  next: bigint | undefined;
  /** What the group has committed, as far as this member knows. */
  committed = -1n;
  /** Where the partition ends for a reader, as last heard. */
  end = 0n;
  isFetching = false;
  /** Fetches that failed in a row, and the time (ms) before which it is not tried again. */
  failures = 0;
  pausedUntil = 0;
  /** What was fetched could not be read: it is fetched alone, so that it holds up no other. */
  isSuspect = false;
  readonly #options: AssignedPartitionOptions;
  readonly #worker: PartitionWorker<KafkaItem>;
  #waiting: readonly KafkaItem[] = [];
  #taken = 0;
  #isStopped = false;
  /** The offset after the last settled record. */
  #settled = -1n;

  constructor({ topic, partition }: TopicPartition, options: AssignedPartitionOptions) {
    this.topic = topic;
    this.partition = partition;
    this.name = `${topic}/${partition}`;
    this.#options = options;
    this.#worker = new PartitionWorker({ ...options.worker, onSettled: (item) => this.#onSettled(item) });
  }

  /** The first offset that is not settled: what the group is to commit. Undefined until it is known where to begin. */
  get position(): bigint | undefined {
    if (this.next === undefined) return undefined;
    const isEmpty = this.#worker.size === 0 && this.#taken === this.#waiting.length;
    // Offsets without a record for us (markers of transactions, what was compacted) are behind us as well.
    if (isEmpty) return this.next;
    return this.#settled >= 0n ? this.#settled : this.committed;
  }

  get lag(): number {
    const { position } = this;
    return position === undefined || this.end < position ? 0 : Number(this.end - position);
  }

  /** Whether the partition is to be fetched from. */
  get isHungry(): boolean {
    return (
      !this.#isStopped && this.next !== undefined && this.#taken === this.#waiting.length && this.#hasRoom
    );
  }

  /** Reads on at `offset`, which the group has committed or where the partition begins. */
  begin(offset: bigint): void {
    this.next = offset;
    this.committed = offset;
    this.#settled = offset;
  }

  /** Takes what a fetch brought. */
  take(items: readonly KafkaItem[], next: bigint): void {
    if (this.#isStopped) return;
    this.#waiting = items;
    this.#taken = 0;
    this.next = next;
    this.#feed();
  }

  /** Resolves when the command under way has ended; what has not begun is dropped. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#worker.stop();
  }

  get #hasRoom(): boolean {
    const { queueMaxSize } = this.#options;
    return queueMaxSize < 0 ? this.#worker.size === 0 : this.#worker.size < Math.max(1, queueMaxSize);
  }

  #feed(): void {
    while (this.#taken < this.#waiting.length && this.#hasRoom) {
      const piece = this.#waiting.slice(this.#taken, this.#taken + this.#options.maxPollRecords);
      this.#taken += piece.length;
      this.#worker.add(piece);
    }
    if (this.#taken === this.#waiting.length) {
      this.#waiting = [];
      this.#taken = 0;
    }
  }

  #onSettled(item: KafkaItem): void {
    this.#settled = item.offset + 1n;
    if (this.#isStopped) return;
    this.#feed();
    if (!this.isFetching && this.isHungry) this.#options.onHungry();
  }
}
