import {
  type Broker,
  FetchIsolationLevels,
  type fetchV17,
  findErrorBy,
  NetworkError,
  ProtocolError,
  protocolErrors,
} from '@platformatic/kafka';
import type { KafkaConsumerOptions } from '../../config/config.ts';
import { backoff } from '../backoff.ts';
import type { Outage } from '../outage.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import type { KafkaClient, Purpose } from './client.ts';
import { visibleRecords } from './records.ts';

const LANES = ['fetch-0', 'fetch-1'] as const satisfies readonly Purpose[];
/** Of one partition in one fetch; a larger record comes all the same, alone. */
const PARTITION_MAX_BYTES = 1_048_576;
const MIN_BYTES = 1;
/** From this version on topics are named by their UUID. */
const TOPIC_ID_VERSION = 13;
/** No fetch session: each fetch names all it wants. */
const [NO_SESSION, NO_SESSION_EPOCH, ANY_EPOCH, CONSUMER] = [0, -1, -1, ''];

type FetchResponse = fetchV17.FetchResponse;
type PartitionResponse = fetchV17.FetchResponsePartition;

export interface FetcherOptions {
  readonly client: KafkaClient;
  readonly options: KafkaConsumerOptions;
  /** Those that this member has now. */
  readonly partitions: () => Iterable<AssignedPartition>;
  /** The broker says that a partition does not hold the offset to be read next. */
  readonly onGap: (partition: AssignedPartition) => void;
  /** A fetch has brought word of a partition. */
  readonly onProgress: (partition: AssignedPartition) => void;
  readonly outage: Outage;
}

/**
 * Fetches records of the partitions that want some, and hands them to their partitions.
 *
 * Each broker has two lanes. A fetch asks for all partitions of a broker that are hungry and not asked for already, and
 * the broker answers when one of them has something, or after `fetch_max_wait`. A partition that becomes hungry
 * meanwhile goes into the other lane, so that a busy one does not wait for the idle ones' fetch to end. A partition
 * whose fetch failed waits on its own, and is fetched alone until that succeeds.
 */
export class Fetcher {
  readonly #deps: FetcherOptions;
  readonly #busy = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isScheduled = false;
  #isClosed = false;
  /** Another partition comes first each time, since a full answer leaves out the last ones. */
  #turn = 0;

  constructor(deps: FetcherOptions) {
    this.#deps = deps;
  }

  /** Looks for hungry partitions soon. */
  kick(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#isClosed) void this.#launch();
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #launch(): Promise<void> {
    const now = performance.now();
    const hungry = [...this.#deps.partitions()].filter(
      (partition) => !partition.isFetching && partition.pausedUntil <= now && partition.isHungry,
    );
    for (const partition of hungry) partition.isFetching = true;
    const byBroker = new Map<number, AssignedPartition[]>();
    for (const [topic, partitions] of Map.groupBy(hungry, ({ topic }) => topic)) {
      for (const [partition, leader] of await this.#leadersOf(topic, partitions))
        byBroker.set(leader, [...(byBroker.get(leader) ?? []), partition]);
    }
    for (const [leader, partitions] of byBroker) this.#assign(leader, partitions);
  }

  /** Puts the partitions of one broker into a free lane; those that there is no lane for stay hungry. */
  #assign(leader: number, partitions: AssignedPartition[]): void {
    const suspects = partitions.filter(({ isSuspect }) => isSuspect);
    const groups = [partitions.filter(({ isSuspect }) => !isSuspect), ...suspects.map((one) => [one])];
    for (const group of groups) {
      if (group.length === 0) continue;
      const lane = LANES.find((name) => !this.#busy.has(`${leader} ${name}`));
      if (!lane) {
        for (const partition of group) partition.isFetching = false;
        continue;
      }
      const key = `${leader} ${lane}`;
      this.#busy.add(key);
      this.#turn = (this.#turn + 1) % group.length;
      const turned = [...group.slice(this.#turn), ...group.slice(0, this.#turn)];
      void this.#fetch(leader, lane, turned).finally(() => {
        this.#busy.delete(key);
        for (const partition of group) partition.isFetching = false;
        this.kick();
      });
    }
  }

  /** The partitions that have a leader now, with it; the others wait. */
  async #leadersOf(
    topic: string,
    partitions: readonly AssignedPartition[],
  ): Promise<[AssignedPartition, number][]> {
    try {
      const fresh = partitions.some(({ failures }) => failures > 0);
      const known = await this.#deps.client.topic(topic, { fresh });
      const led = partitions.map((partition): [AssignedPartition, number] => [
        partition,
        known?.partitions[partition.partition]?.leader ?? -1,
      ]);
      for (const [partition, leader] of led)
        if (leader < 0) this.#failed([partition], partition.name, new Error('it has no leader now'));
      return led.filter(([, leader]) => leader >= 0);
    } catch (error) {
      this.#failed(partitions, 'fetches', error);
      return [];
    }
  }

  async #fetch(leader: number, lane: Purpose, partitions: readonly AssignedPartition[]): Promise<void> {
    const { client } = this.#deps;
    const from = new Map(partitions.map((partition) => [partition, partition.next as bigint]));
    try {
      const broker = client.broker(leader);
      if (!broker) throw new Error(`the broker ${leader} is not known now`);
      const topicIds = new Map<string, string>();
      for (const { topic } of partitions) topicIds.set(topic, (await client.topic(topic))?.id ?? '');
      const response = await this.#request(broker, lane, from, topicIds);
      for (const { topicId, partitions: answers } of response.responses) {
        for (const answer of answers) {
          const partition = partitions.find(
            ({ topic, partition: index }) =>
              (topicIds.get(topic) === topicId || topic === topicId) && index === answer.partitionIndex,
          );
          if (partition) this.#take(partition, from.get(partition) as bigint, answer);
        }
      }
      this.#deps.outage.over('fetches');
    } catch (error) {
      const isUnreadable = findErrorBy(error as Error, 'code', NetworkError.code) === null;
      if (isUnreadable) for (const partition of partitions) partition.isSuspect = true;
      const [first] = partitions;
      this.#failed(partitions, isUnreadable && first ? first.name : 'fetches', error);
    }
  }

  async #request(
    broker: Broker,
    lane: Purpose,
    from: ReadonlyMap<AssignedPartition, bigint>,
    topicIds: ReadonlyMap<string, string>,
  ): Promise<FetchResponse> {
    const { client, options } = this.#deps;
    const isSuspect = [...from.keys()].some((partition) => partition.isSuspect);
    const topicsOf = (version: number) =>
      [...from].map(([{ topic, partition }, fetchOffset]) => ({
        topicId: version >= TOPIC_ID_VERSION ? topicIds.get(topic) : topic,
        partitions: [
          {
            partition,
            fetchOffset,
            partitionMaxBytes: Math.min(PARTITION_MAX_BYTES, options.fetch_max_bytes),
            currentLeaderEpoch: ANY_EPOCH,
            lastFetchedEpoch: ANY_EPOCH,
          },
        ],
      }));
    try {
      const { response } = await client.requestVersioned<FetchResponse>('Fetch', broker, lane, (version) => [
        isSuspect ? 0 : Math.round(options.fetch_max_wait),
        MIN_BYTES,
        options.fetch_max_bytes,
        this.#isolation,
        NO_SESSION,
        NO_SESSION_EPOCH,
        topicsOf(version),
        [],
        CONSUMER,
      ]);
      return response;
    } catch (error) {
      // The error of one partition comes with the answers for all others.
      const { response } = error as { response?: FetchResponse };
      if (response?.errorCode === 0) return response;
      throw error;
    }
  }

  get #isolation(): number {
    return this.#deps.options.fetch_read_uncommitted
      ? FetchIsolationLevels.READ_UNCOMMITTED
      : FetchIsolationLevels.READ_COMMITTED;
  }

  #take(partition: AssignedPartition, from: bigint, answer: PartitionResponse): void {
    const { onGap, onProgress, outage, options } = this.#deps;
    // It was stopped, or was given another place to read from, while the fetch was under way.
    if (partition.next !== from) return;
    const { errorCode } = answer;
    if (errorCode === protocolErrors.OFFSET_OUT_OF_RANGE?.code) {
      onGap(partition);
      return;
    }
    if (errorCode !== 0) {
      this.#failed([partition], partition.name, new ProtocolError(errorCode));
      return;
    }
    partition.failures = 0;
    partition.isSuspect = false;
    outage.over(partition.name);
    const aborted = options.fetch_read_uncommitted ? [] : (answer.abortedTransactions ?? []);
    const { items, next } = visibleRecords(answer.records ?? [], from, aborted);
    partition.end = options.fetch_read_uncommitted ? answer.highWatermark : answer.lastStableOffset;
    if (next !== from) partition.take(items, next);
    onProgress(partition);
  }

  #failed(partitions: readonly AssignedPartition[], what: string, error: unknown): void {
    if (this.#isClosed) return;
    const delay = backoff(Math.max(...partitions.map(({ failures }) => failures)) + 1);
    for (const partition of partitions) {
      partition.failures += 1;
      partition.isFetching = false;
      partition.pausedUntil = performance.now() + delay;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.kick();
    }, delay);
    this.#timers.add(timer);
    this.#deps.outage.note(what, error);
  }
}
