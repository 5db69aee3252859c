import {
  type ClusterMetadata,
  cooperativeStickyAssigner,
  decodeConsumerProtocolSubscription,
  decodeCooperativeStickyGeneration,
  type ExtendedGroupProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
  type GroupAssignment,
  type joinGroupV9,
} from '@platformatic/kafka';
import type { TopicPartition } from './client.ts';

const PROTOCOL_VERSION = 3;
/** From this version on a subscription says its generation itself; before, and for others' sake still, its user data do. */
const GENERATION_VERSION = 2;
const NO_GENERATION = -1;
const GENERATION_BYTES = 4;

/** What one member is given, as the group passes it on. */
export interface Share {
  readonly memberId: string;
  readonly assignment: Buffer;
}

type Subscriptions = Map<string, ExtendedGroupProtocolSubscription>;

/** What a member says when it joins: the topics it wants, the partitions it has, and from which round it has them. */
export function writeSubscription(
  topics: readonly string[],
  owned: Iterable<TopicPartition>,
  generation: number,
): Buffer {
  const ownedPartitions: GroupAssignment[] = [...Map.groupBy(owned, ({ topic }) => topic)].map(
    ([topic, those]) => ({ topic, partitions: those.map(({ partition }) => partition) }),
  );
  const generationId = ownedPartitions.length > 0 ? generation : NO_GENERATION;
  const userData = Buffer.alloc(GENERATION_BYTES);
  userData.writeInt32BE(generationId);
  return encodeConsumerProtocolSubscription({
    version: PROTOCOL_VERSION,
    topics: [...topics],
    userData,
    ownedPartitions,
    generationId,
  });
}

/** What all members have said, by their names. */
export function readSubscriptions(members: readonly joinGroupV9.JoinGroupResponseMember[]): Subscriptions {
  return new Map(
    members.map(({ memberId, metadata }) => {
      const { userData, generationId, ...said } = decodeConsumerProtocolSubscription(metadata);
      const isOld = said.version < GENERATION_VERSION;
      const generation = isOld ? decodeCooperativeStickyGeneration(userData) : generationId;
      return [memberId, { ...said, memberId, metadata: userData, generationId: generation }];
    }),
  );
}

export function topicsOf(subscriptions: Subscriptions): Set<string> {
  return new Set([...subscriptions.values()].flatMap(({ topics }) => topics ?? []));
}

/**
 * Divides all partitions among the members, moving as few as it can. One that is to move is given to nobody in this
 * round: its new owner gets it in the next, when its former one has let go of it.
 */
export function divide(
  leader: string,
  subscriptions: Subscriptions,
  topics: ClusterMetadata['topics'],
): Share[] {
  const metadata = { id: '', brokers: new Map(), controllerId: -1, topics, lastUpdate: 0 };
  return cooperativeStickyAssigner(leader, subscriptions, topicsOf(subscriptions), metadata).map(
    ({ memberId, assignments }) => ({
      memberId,
      assignment: encodeConsumerProtocolAssignment({
        version: PROTOCOL_VERSION,
        assignedPartitions: [...assignments.values()],
      }),
    }),
  );
}
