import {
  FetchIsolationLevels,
  ListOffsetTimestamps,
  type listOffsetsV9,
  type offsetFetchV8,
} from '@platformatic/kafka';
import type { KafkaConsumerOptions } from '../../config/config.ts';
import type { KafkaClient, TopicPartition } from './client.ts';
import type { GroupIdentity } from './group.ts';

const NO_MEMBER = -1;
const NO_OFFSET = -1n;
const ANY_EPOCH = -1;
const CONSUMER = -1;

/** A partition and its name, `topic/partition`, by which offsets are told. */
export interface NamedPartition extends TopicPartition {
  readonly name: string;
}

/** Where a group has come to in its partitions, and where these begin and end. Nothing is tried twice here. */
export class Offsets {
  readonly #client: KafkaClient;
  readonly #options: KafkaConsumerOptions;

  constructor(client: KafkaClient, options: KafkaConsumerOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Where to read on: where the group has committed, else where the partition begins. @throws unless it knows of all */
  async toBegin(partitions: readonly NamedPartition[]): Promise<Map<string, bigint>> {
    const offsets = await this.#committed(partitions);
    const fresh = partitions.filter(({ name }) => !offsets.has(name));
    return new Map([...offsets, ...(await this.first(fresh))]);
  }

  /** The first offset that each partition still has. */
  first(partitions: readonly NamedPartition[]): Promise<Map<string, bigint>> {
    return this.#list(partitions, ListOffsetTimestamps.EARLIEST);
  }

  /** Where each partition ends for a reader. */
  ends(partitions: readonly NamedPartition[]): Promise<Map<string, bigint>> {
    return this.#list(partitions, ListOffsetTimestamps.LATEST);
  }

  /** Commits for the group. @throws when it does not take all of it */
  async commit(
    { memberId, generation, instanceId }: GroupIdentity,
    positions: readonly { readonly partition: NamedPartition; readonly position: bigint }[],
  ): Promise<void> {
    const { consumer_group: group } = this.#options;
    const topics = [...Map.groupBy(positions, ({ partition }) => partition.topic)].map(([name, those]) => ({
      name,
      partitions: those.map(({ partition, position }) => ({
        partitionIndex: partition.partition,
        committedOffset: position,
        committedLeaderEpoch: ANY_EPOCH,
      })),
    }));
    const coordinator = await this.#client.coordinator(group);
    const args = [group, generation, memberId, instanceId, topics];
    await this.#client.request('OffsetCommit', coordinator, 'offsets', ...args);
  }

  async #committed(partitions: readonly NamedPartition[]): Promise<Map<string, bigint>> {
    const { consumer_group: groupId } = this.#options;
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, those]) => ({
      name,
      partitionIndexes: those.map(({ partition }) => partition),
    }));
    type Response = Partial<offsetFetchV8.OffsetFetchResponse> &
      Partial<offsetFetchV8.OffsetFetchResponseGroup>;
    const coordinator = await this.#client.coordinator(groupId);
    const groups = [{ groupId, memberId: null, memberEpoch: NO_MEMBER, topics }];
    const response = await this.#client.request<Response>(
      'OffsetFetch',
      coordinator,
      'offsets',
      groups,
      true,
    );
    const offsets = new Map<string, bigint>();
    // Before version 8 the answer is of one group and has no list of them.
    for (const { name, partitions: those } of response.groups?.[0]?.topics ?? response.topics ?? [])
      for (const { partitionIndex, committedOffset } of those)
        if (committedOffset > NO_OFFSET) offsets.set(`${name}/${partitionIndex}`, committedOffset);
    return offsets;
  }

  async #list(partitions: readonly NamedPartition[], timestamp: bigint): Promise<Map<string, bigint>> {
    const byLeader = new Map<number, NamedPartition[]>();
    for (const partition of partitions) {
      const topic = await this.#client.topic(partition.topic);
      const leader = topic?.partitions[partition.partition]?.leader ?? -1;
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
    }
    const offsets = new Map<string, bigint>();
    for (const [leader, those] of byLeader) {
      const broker = this.#client.broker(leader);
      if (!broker) throw new Error(`no broker leads ${those[0]?.name} now`);
      const topics = [...Map.groupBy(those, ({ topic }) => topic)].map(([name, list]) => ({
        name,
        partitions: list.map(({ partition }) => ({
          partitionIndex: partition,
          currentLeaderEpoch: ANY_EPOCH,
          timestamp,
        })),
      }));
      const isolation = this.#options.fetch_read_uncommitted
        ? FetchIsolationLevels.READ_UNCOMMITTED
        : FetchIsolationLevels.READ_COMMITTED;
      const response = await this.#client.request<listOffsetsV9.ListOffsetsResponse>(
        'ListOffsets',
        broker,
        'offsets',
        CONSUMER,
        isolation,
        topics,
      );
      for (const { name, partitions: answers } of response.topics)
        for (const { partitionIndex, offset } of answers) offsets.set(`${name}/${partitionIndex}`, offset);
    }
    for (const { name } of partitions)
      if (!offsets.has(name)) throw new Error(`no offset was told for ${name}`);
    return offsets;
  }
}
