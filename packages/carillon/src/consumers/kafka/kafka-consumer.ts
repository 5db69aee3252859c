import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Broker,
  FetchIsolationLevels,
  ListOffsetTimestamps,
  type listOffsetsV9,
  type offsetFetchV8,
} from '@platformatic/kafka';
import type { KafkaConsumerOptions } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import { backoff } from '../backoff.ts';
import type { CommandRunner } from '../command-runner.ts';
import type { Consumer, ConsumerCounters, SourceCommand } from '../consumer.ts';
import type { ParkingLot } from '../parking.ts';
import { Wakeup } from '../wakeup.ts';
import { AssignedPartition } from './assigned-partition.ts';
import { describeKafkaError, hasKafkaError, KafkaClient, type TopicPartition } from './client.ts';
import { Fetcher } from './fetcher.ts';
import { type GroupListener, GroupMember, REBALANCE_TIMEOUT_MS } from './group.ts';
import { Outage } from './outage.ts';
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
const ANY_EPOCH = -1;
const NO_OFFSET = -1n;

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
  readonly #abort = new AbortController();
  readonly #pause = new Wakeup();
  readonly #partitions = new Map<string, AssignedPartition>();
  #commitTimer: NodeJS.Timeout | undefined;
  #lagTimer: NodeJS.Timeout | undefined;
  #commits: Promise<unknown> = Promise.resolve();

  /** @throws in words when a PEM of `tls` cannot be read */
  constructor(deps: KafkaConsumerDependencies) {
    const { name, options, logger } = deps;
    this.name = name;
    this.#deps = deps;
    this.#outage = new Outage(name, logger);
    this.#client = new KafkaClient(options, `consumer ${name}: kafka`, REBALANCE_TIMEOUT_MS + 10_000);
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
    this.#commitTimer = setInterval(() => void this.#commit(this.#partitions.values()), COMMIT_INTERVAL_MS);
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
    void this.#begin(partitions, (those) => this.#locate(those));
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

  /** Reads on where the group has committed, else where the partition begins. */
  async #locate(partitions: readonly AssignedPartition[]): Promise<void> {
    const { consumer_group: group } = this.#deps.options;
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, those]) => ({
      name,
      partitionIndexes: those.map(({ partition }) => partition),
    }));
    const coordinator = await this.#client.coordinator(group);
    const response = await this.#client.request<offsetFetchV8.OffsetFetchResponse>(
      'OffsetFetch',
      coordinator,
      'offsets',
      [{ groupId: group, memberId: null, memberEpoch: -1, topics }],
      true,
    );
    // Before version 8 the answer is of one group and has no list of them.
    const found =
      response.groups?.[0] ?? (response as unknown as { topics: offsetFetchV8.OffsetFetchResponseTopic[] });
    const committed = new Map<string, bigint>();
    for (const { name, partitions: those } of found.topics)
      for (const { partitionIndex, committedOffset } of those)
        if (committedOffset > NO_OFFSET) committed.set(`${name}/${partitionIndex}`, committedOffset);
    const fresh = partitions.filter(({ name }) => !committed.has(name));
    const first = await this.#listOffsets(fresh, ListOffsetTimestamps.EARLIEST);
    for (const partition of partitions) {
      const offset = committed.get(partition.name) ?? first.get(partition.name);
      if (offset === undefined) throw new Error(`no offset was told for ${partition.name}`);
      partition.begin(offset);
    }
  }

  async #listOffsets(
    partitions: readonly AssignedPartition[],
    timestamp: bigint,
  ): Promise<Map<string, bigint>> {
    const offsets = new Map<string, bigint>();
    const byLeader = new Map<number, AssignedPartition[]>();
    for (const partition of partitions) {
      const topic = await this.#client.topic(partition.topic);
      const leader = topic?.partitions[partition.partition]?.leader ?? -1;
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
    }
    for (const [leader, those] of byLeader) {
      const broker: Broker | undefined = this.#client.broker(leader);
      if (!broker) throw new Error(`no broker leads ${those[0]?.name} now`);
      const { topics } = await this.#client.request<listOffsetsV9.ListOffsetsResponse>(
        'ListOffsets',
        broker,
        'offsets',
        -1,
        this.#deps.options.fetch_read_uncommitted
          ? FetchIsolationLevels.READ_UNCOMMITTED
          : FetchIsolationLevels.READ_COMMITTED,
        [...Map.groupBy(those, ({ topic }) => topic)].map(([name, list]) => ({
          name,
          partitions: list.map(({ partition }) => ({
            partitionIndex: partition,
            currentLeaderEpoch: ANY_EPOCH,
            timestamp,
          })),
        })),
      );
      for (const { name, partitions: answers } of topics)
        for (const { partitionIndex, offset } of answers) offsets.set(`${name}/${partitionIndex}`, offset);
    }
    return offsets;
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
    const limit = this.#pause.wait(STOP_LIMIT_MS, { signal: this.#abort.signal, ignoreWakes: true });
    await Promise.race([Promise.all(partitions.map((partition) => partition.stop())), limit]);
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
    const commit = this.#commits.then(() => this.#commitNow(list));
    this.#commits = commit;
    return commit;
  }

  async #commitNow(partitions: readonly AssignedPartition[]): Promise<boolean> {
    const { consumer_group: group } = this.#deps.options;
    const due = partitions.flatMap((partition) => {
      const { position } = partition;
      return position !== undefined && position > partition.committed ? [{ partition, position }] : [];
    });
    const identity = this.#member.identity;
    if (due.length === 0 || !identity) return due.length === 0;
    const topics = [...Map.groupBy(due, ({ partition }) => partition.topic)].map(([name, those]) => ({
      name,
      partitions: those.map(({ partition, position }) => ({
        partitionIndex: partition.partition,
        committedOffset: position,
        committedLeaderEpoch: ANY_EPOCH,
      })),
    }));
    const { generation, memberId, instanceId } = identity;
    try {
      const coordinator = await this.#client.coordinator(group);
      const args = [group, generation, memberId, instanceId, topics];
      await this.#client.request('OffsetCommit', coordinator, 'offsets', ...args);
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
      const offsets = await this.#listOffsets([partition], ListOffsetTimestamps.EARLIEST);
      const first = offsets.get(partition.name);
      if (first === undefined) throw new Error(`no offset was told for ${partition.name}`);
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
      const ends = await this.#listOffsets(partitions, ListOffsetTimestamps.LATEST);
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
