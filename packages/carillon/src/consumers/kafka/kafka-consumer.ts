import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaConsumerOptions } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import { backoff } from '../backoff.ts';
import type { CommandRunner } from '../command-runner.ts';
import type { Consumer, ConsumerCounters, SourceCommand } from '../consumer.ts';
import { Outage } from '../outage.ts';
import type { ParkingLot } from '../parking.ts';
import { Wakeup } from '../wakeup.ts';
import { AssignedPartition } from './assigned-partition.ts';
import { describeKafkaError, hasKafkaError, KafkaClient, type TopicPartition } from './client.ts';
import { Fetcher } from './fetcher.ts';
import { type GroupListener, GroupMember, REBALANCE_TIMEOUT_MS } from './group.ts';
import { Offsets } from './offsets.ts';
import { commandOf } from './record-command.ts';
import type { KafkaItem } from './records.ts';

export interface KafkaConsumerDependencies {
  readonly name: string;
  readonly options: KafkaConsumerOptions;
  readonly runner: CommandRunner;
  readonly parking: ParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

const COMMIT_INTERVAL_MS = 1_000;
const LAG_INTERVAL_MS = 10_000;
/** For the command under way when a partition is to go; less than the group waits for a member. */
const STOP_LIMIT_MS = REBALANCE_TIMEOUT_MS / 2;
/** Tries at the commit before a partition is given up; without it the next member repeats what was not committed. */
const LAST_COMMIT_TRIES = 5;

/**
 * Reads commands from Kafka topics as a member of a consumer group (consumers, section 3).
 *
 * Each partition that the group gives to this member is worked on by itself, strictly in order. Offsets are committed
 * once a second, on handing a partition over, and at the end, and never beyond what has taken effect: after a crash the
 * next reader repeats up to that second, and loses nothing.
 */
export class KafkaConsumer implements Consumer {
  readonly name: string;
  readonly #deps: KafkaConsumerDependencies;
  readonly #client: KafkaClient;
  readonly #outage: Outage;
  readonly #member: GroupMember;
  readonly #fetcher: Fetcher;
  readonly #offsets: Offsets;
  readonly #abort = new AbortController();
  readonly #pause = new Wakeup();
  readonly #partitions = new Map<string, AssignedPartition>();
  #commitTimer: NodeJS.Timeout | undefined;
  #lagTimer: NodeJS.Timeout | undefined;
  #commits: Promise<unknown> = Promise.resolve();
  #commitsUnderWay = 0;

  /** @throws in words when a PEM of `tls` cannot be read */
  constructor(deps: KafkaConsumerDependencies) {
    const { name, options, logger } = deps;
    this.name = name;
    this.#deps = deps;
    this.#outage = new Outage(name, 'Kafka', logger, describeKafkaError);
    this.#client = new KafkaClient(options, `consumer ${name}: kafka`, REBALANCE_TIMEOUT_MS + 10_000);
    this.#offsets = new Offsets(this.#client, options);
    this.#fetcher = new Fetcher({
      client: this.#client,
      options,
      partitions: () => this.#partitions.values(),
      onGap: (partition) => this.#onGap(partition),
      onProgress: (partition) => this.#showLag(partition),
      outage: this.#outage,
    });
    const listener: GroupListener = {
      assigned: (partitions) => this.#onAssigned(partitions),
      revoked: (partitions) => this.#onRevoked(partitions),
      lost: (partitions) => this.#onLost(partitions),
    };
    this.#member = new GroupMember({
      client: this.#client,
      group: options.consumer_group,
      topics: [...new Set(options.topics)],
      instanceId: options.instance_id,
      sessionTimeout: options.session_timeout,
      listener,
      outage: this.#outage,
    });
  }

  async start(): Promise<void> {
    await this.#ping();
    this.#member.start();
    this.#commitTimer = setInterval(() => {
      // The one under way may have to wait for Kafka; the next one says all that is settled by then.
      if (this.#commitsUnderWay === 0) void this.#commit(this.#partitions.values());
    }, COMMIT_INTERVAL_MS);
    this.#lagTimer = setInterval(() => void this.#refreshLag(), LAG_INTERVAL_MS);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearInterval(this.#commitTimer);
    clearInterval(this.#lagTimer);
    this.#fetcher.close();
    const partitions = [...this.#partitions.values()];
    await Promise.all(partitions.map((partition) => partition.stop()));
    await this.#commitForGood(partitions);
    await this.#member.leave();
    await this.#client.close();
    await this.#member.ended();
  }

  /** @throws in words when no broker answers in the time that all of them have together, twice */
  async #ping(): Promise<void> {
    const { brokers, dial_timeout } = this.#deps.options;
    const limit = 2 * brokers.length * dial_timeout;
    const late = AbortSignal.timeout(limit);
    const expired = new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(new Error(`no answer within ${limit} ms`)));
    });
    try {
      await Promise.race([this.#client.ping(), expired]);
    } catch (error) {
      await this.#client.close();
      throw new Error(
        `consumer ${this.name}: no broker of Kafka can be reached at ${brokers.join(', ')}: ${describeKafkaError(error)}`,
        { cause: error },
      );
    }
  }

  #onAssigned(added: readonly TopicPartition[]): void {
    const { name, options, runner, parking, counters, logger } = this.#deps;
    for (const place of added) {
      const partition = new AssignedPartition(place, {
        maxPollRecords: options.max_poll_records,
        queueMaxSize: options.partition_queue_max_size,
        onHungry: () => this.#fetcher.kick(),
        worker: {
          name,
          runner,
          parking,
          counters,
          logger,
          commandOf: (item) => this.#commandOf(item, partition.name),
        },
      });
      this.#partitions.set(partition.name, partition);
    }
    const partitions = added.flatMap(
      ({ topic, partition }) => this.#partitions.get(`${topic}/${partition}`) ?? [],
    );
    const names = partitions.map((partition) => partition.name);
    logger.info({ consumer: name, partitions: names }, 'consumer: partitions assigned');
    void this.#begin(partitions, async (those) => {
      const offsets = await this.#offsets.toBegin(those);
      for (const partition of those) partition.begin(offsets.get(partition.name) as bigint);
    });
  }

  /** Finds out where to read on; tries until it knows or the partitions are gone. */
  async #begin(
    partitions: readonly AssignedPartition[],
    locate: (partitions: readonly AssignedPartition[]) => Promise<void>,
  ): Promise<void> {
    for (let failures = 1; !this.#abort.signal.aborted; failures++) {
      const held = partitions.filter((one) => this.#partitions.get(one.name) === one);
      if (held.length === 0) return;
      try {
        await locate(held);
        this.#outage.over('offsets');
        this.#fetcher.kick();
        return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        if (isCoordinatorGone(error)) this.#client.forgetCoordinator();
        this.#outage.note('offsets', error);
        await this.#pause.wait(backoff(failures), { signal: this.#abort.signal, ignoreWakes: true });
      }
    }
  }

  async #onRevoked(places: readonly TopicPartition[]): Promise<void> {
    const partitions = this.#take(places);
    await this.#stopAll(partitions);
    await this.#commitForGood(partitions);
    this.#forget(partitions, 'consumer: partitions handed over');
  }

  async #onLost(places: readonly TopicPartition[]): Promise<void> {
    const partitions = this.#take(places);
    await this.#stopAll(partitions);
    this.#forget(partitions, 'consumer: partitions lost, others repeat what was not committed');
  }

  /** From now on nothing is fetched for them. */
  #take(places: readonly TopicPartition[]): AssignedPartition[] {
    return places.flatMap(({ topic, partition }) => {
      const name = `${topic}/${partition}`;
      const found = this.#partitions.get(name);
      this.#partitions.delete(name);
      return found ?? [];
    });
  }

  async #stopAll(partitions: readonly AssignedPartition[]): Promise<void> {
    const done = new AbortController();
    const limit = sleep(STOP_LIMIT_MS, undefined, { signal: done.signal }).catch(() => {});
    await Promise.race([Promise.all(partitions.map((partition) => partition.stop())), limit]);
    done.abort();
  }

  #forget(partitions: readonly AssignedPartition[], message: string): void {
    const { name, counters, logger } = this.#deps;
    for (const partition of partitions) counters.lag('messages', partition.name, 0);
    logger.info({ consumer: name, partitions: partitions.map((one) => one.name) }, message);
  }

  /** The last commit of partitions that go; what it does not bring through, the next reader repeats. */
  async #commitForGood(partitions: readonly AssignedPartition[]): Promise<void> {
    for (let attempt = 1; attempt <= LAST_COMMIT_TRIES; attempt++) {
      if (await this.#commit(partitions)) return;
      await sleep(backoff(attempt));
    }
  }

  /** Commits what is settled of these partitions; false when the group did not take it. One commit at a time. */
  #commit(partitions: Iterable<AssignedPartition>): Promise<boolean> {
    const list = [...partitions];
    this.#commitsUnderWay += 1;
    const commit = this.#commits
      .then(() => this.#commitNow(list))
      .finally(() => {
        this.#commitsUnderWay -= 1;
      });
    this.#commits = commit;
    return commit;
  }

  async #commitNow(partitions: readonly AssignedPartition[]): Promise<boolean> {
    const due = partitions.flatMap((partition) => {
      const { position } = partition;
      return position !== undefined && position > partition.committed ? [{ partition, position }] : [];
    });
    const identity = this.#member.identity;
    if (due.length === 0 || !identity) return due.length === 0;
    try {
      await this.#offsets.commit(identity, due);
      for (const { partition, position } of due) partition.committed = position;
      this.#outage.over('commits');
      return true;
    } catch (error) {
      // While the group divides its partitions anew it takes no commits: a later one says the same.
      if (!hasKafkaError(error, 'REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID')) {
        if (isCoordinatorGone(error)) this.#client.forgetCoordinator();
        this.#outage.note('commits', error);
      }
      return false;
    }
  }

  #commandOf(item: KafkaItem, partition: string): SourceCommand | undefined {
    const { name, options, logger } = this.#deps;
    const place = { partition, position: String(item.offset) };
    const result = commandOf(item, place, options);
    if (!('skipped' in result)) return result;
    if (result.skipped)
      logger.info({ consumer: name, ...place, reason: result.skipped }, 'consumer: a record was skipped');
    return undefined;
  }

  /** What was to be read next is gone: it was kept for too short a time, or the broker lost it. */
  #onGap(partition: AssignedPartition): void {
    const { name, logger } = this.#deps;
    const wanted = partition.next;
    partition.next = undefined;
    void this.#begin([partition], async () => {
      const first = (await this.#offsets.first([partition])).get(partition.name) as bigint;
      logger.error(
        { consumer: name, partition: partition.name, wanted: String(wanted), first: String(first) },
        'consumer: records are gone from Kafka before they were read; reading on at the first that is there',
      );
      partition.begin(first);
    });
  }

  #showLag(partition: AssignedPartition): void {
    this.#deps.counters.lag('messages', partition.name, partition.lag);
  }

  /** Partitions that wait are not fetched from, but their ends move on. */
  async #refreshLag(): Promise<void> {
    const partitions = [...this.#partitions.values()].filter(({ next }) => next !== undefined);
    try {
      const ends = await this.#offsets.ends(partitions);
      for (const partition of partitions) {
        partition.end = ends.get(partition.name) ?? partition.end;
        if (this.#partitions.get(partition.name) === partition) this.#showLag(partition);
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#outage.note('lag', error);
    }
  }
}

/** Whether another broker may be the one to ask. */
function isCoordinatorGone(error: unknown): boolean {
  return (
    hasKafkaError(error, 'NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS') ||
    (error as { code?: string }).code === 'PLT_KFK_NETWORK'
  );
}
