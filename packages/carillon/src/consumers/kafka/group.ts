import {
  type Broker,
  type ClusterMetadata,
  COOPERATIVE_STICKY_ASSIGNOR,
  decodeConsumerProtocolAssignment,
  findErrorBy,
  type GroupAssignment,
  type joinGroupV9,
  type syncGroupV5,
} from '@platformatic/kafka';
import { backoff } from '../backoff.ts';
import type { Outage } from '../outage.ts';
import { Wakeup } from '../wakeup.ts';
import { divide, readSubscriptions, type Share, topicsOf, writeSubscription } from './assignment.ts';
import { hasKafkaError, type KafkaClient, type TopicPartition } from './client.ts';

/** How long members have to hand over partitions and come back when the group divides them anew. */
export const REBALANCE_TIMEOUT_MS = 60_000;
const MAX_HEARTBEAT_MS = 3_000;
const PROTOCOL_TYPE = 'consumer';

export interface GroupListener {
  /** Partitions that are this member's from now on. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** Partitions that go to another member, which gets them once this resolves: their work has ended and is committed. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
  /** Partitions that another member may have already: their work is to end, and nothing of it is committed. */
  lost(partitions: readonly TopicPartition[]): Promise<void>;
}

/** What a commit must say so that the group takes it. */
export interface GroupIdentity {
  readonly memberId: string;
  readonly generation: number;
  readonly instanceId: string | null;
}

export interface GroupMemberOptions {
  readonly client: KafkaClient;
  readonly group: string;
  readonly topics: readonly string[];
  /** Empty: a dynamic member. */
  readonly instanceId: string;
  /** Milliseconds. */
  readonly sessionTimeout: number;
  readonly listener: GroupListener;
  readonly outage: Outage;
}

/**
 * A member of a consumer group with cooperative rebalancing: partitions that stay go on while others change hands.
 *
 * *Joining*: the member asks to take part, naming the partitions it has; the group answers when all members have. One of
 * them, the leader, divides the partitions, and each gets its share. *Handing over*: what the share lacks is revoked: its
 * work is ended and committed. Then the member joins again, and only in that next round does somebody else get it. What
 * the share adds is assigned. *Stable*: heartbeats say that the member lives; the answer to one may be that a new round
 * has begun, and it joins again, still working on what it has.
 *
 * The partitions are *lost* when the group has forgotten the member, or when no heartbeat has come through for a session
 * timeout: then another may have them, and what this member has not committed is repeated there. It goes on as a new
 * member. Any other failure is tried again with a growing delay.
 */
export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #abort = new AbortController();
  readonly #pause = new Wakeup();
  #memberId = '';
  #generation = -1;
  #owned = new Map<string, TopicPartition>();
  /** When the last request that the group answered was sent. */
  #lastSign = 0;
  /** Partitions of each topic as the leader last divided them. */
  #divided: ReadonlyMap<string, number> | undefined;
  /** A share is being taken over; until that is done no new round is joined, but the heart goes on beating. */
  #isAdopting = false;
  #life: Promise<void> | undefined;

  constructor(options: GroupMemberOptions) {
    this.#options = options;
  }

  /** Undefined outside a group. */
  get identity(): GroupIdentity | undefined {
    if (this.#memberId === '') return undefined;
    return { memberId: this.#memberId, generation: this.#generation, instanceId: this.#instanceId };
  }

  start(): void {
    this.#life = this.#live();
  }

  /** Ends membership; partitions are to be stopped and committed before. Static members stay: they will be back. */
  async leave(): Promise<void> {
    this.#abort.abort();
    if (this.#memberId !== '' && this.#instanceId === null) {
      const { client, group } = this.#options;
      // Whether the group hears of it or finds out after a session timeout: it goes on without this member.
      await client
        .coordinator(group)
        .then((broker) =>
          client.request('LeaveGroup', broker, 'offsets', group, [{ memberId: this.#memberId }]),
        )
        .catch(() => {});
    }
  }

  /** Resolves when nothing of the member runs any more; its client must be closed by then. */
  async ended(): Promise<void> {
    await this.#life;
  }

  get #instanceId(): string | null {
    return this.#options.instanceId || null;
  }

  async #live(): Promise<void> {
    const { signal } = this.#abort;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const share = await this.#join();
        failures = 0;
        this.#options.outage.over('group');
        const round = new AbortController();
        const rebalance = this.#beat(AbortSignal.any([signal, round.signal]));
        // Looked at below; it may fail while partitions are handed over.
        rebalance.catch(() => {});
        this.#isAdopting = true;
        const hasHandedOver = await this.#adopt(share).finally(() => {
          this.#isAdopting = false;
        });
        if (hasHandedOver) round.abort();
        await rebalance;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        await this.#recover(error, failures);
      }
    }
  }

  /** Takes part in a round and gives back this member's share. */
  async #join(): Promise<readonly GroupAssignment[]> {
    const { client, group, sessionTimeout } = this.#options;
    const coordinator = await client.coordinator(group);
    const sent = performance.now();
    const subscription = writeSubscription(this.#options.topics, this.#owned.values(), this.#generation);
    const joined = await this.#request<joinGroupV9.JoinGroupResponse>(
      coordinator,
      'JoinGroup',
      group,
      sessionTimeout,
      REBALANCE_TIMEOUT_MS,
      this.#memberId,
      this.#instanceId,
      PROTOCOL_TYPE,
      [{ name: COOPERATIVE_STICKY_ASSIGNOR, metadata: subscription }],
      '',
    ).catch((error: Error) => {
      // A first request is refused with the name that the next one has to bear.
      const given = findErrorBy(error, 'apiId', 'MEMBER_ID_REQUIRED')?.memberId as string | undefined;
      if (given) this.#memberId = given;
      throw error;
    });
    this.#memberId = joined.memberId;
    this.#generation = joined.generationId;
    const isLeader = joined.leader === joined.memberId && !joined.skipAssignment;
    const shares = isLeader ? await this.#divide(joined.members) : [];
    const { assignment } = await this.#request<syncGroupV5.SyncGroupResponse>(
      coordinator,
      'SyncGroup',
      group,
      this.#generation,
      this.#memberId,
      this.#instanceId,
      PROTOCOL_TYPE,
      COOPERATIVE_STICKY_ASSIGNOR,
      shares,
    );
    this.#lastSign = Math.max(this.#lastSign, sent);
    return decodeConsumerProtocolAssignment(assignment).assignedPartitions;
  }

  /** The leader's part. */
  async #divide(members: readonly joinGroupV9.JoinGroupResponseMember[]): Promise<Share[]> {
    const subscriptions = readSubscriptions(members);
    const topics: ClusterMetadata['topics'] = new Map();
    const sizes = new Map<string, number>();
    for (const name of topicsOf(subscriptions)) {
      const topic = await this.#options.client.topic(name, { fresh: true });
      if (topic) topics.set(name, topic);
      sizes.set(name, topic?.partitionsCount ?? 0);
    }
    this.#divided = sizes;
    return divide(this.#memberId, subscriptions, topics);
  }

  /** Gives up what the share lacks and takes what it adds; true when something was handed over. */
  async #adopt(share: readonly GroupAssignment[]): Promise<boolean> {
    const { listener } = this.#options;
    const wanted = new Map<string, TopicPartition>();
    for (const { topic, partitions } of share)
      for (const partition of partitions) wanted.set(`${topic}/${partition}`, { topic, partition });
    const revoked = [...this.#owned].filter(([key]) => !wanted.has(key));
    const added = [...wanted].filter(([key]) => !this.#owned.has(key));
    if (revoked.length > 0) await listener.revoked(revoked.map(([, partition]) => partition));
    this.#owned = wanted;
    if (added.length > 0 && !this.#abort.signal.aborted)
      listener.assigned(added.map(([, partition]) => partition));
    return revoked.length > 0;
  }

  /** Resolves when a new round is to be joined, or at once when `signal` aborts. @throws when membership is lost */
  async #beat(signal: AbortSignal): Promise<void> {
    const { client, group, sessionTimeout, outage } = this.#options;
    const interval = Math.min(MAX_HEARTBEAT_MS, sessionTimeout / 3);
    // The leader looks whether a topic has come into being or has more partitions.
    const checkInterval = sessionTimeout / 2;
    let nextCheck = performance.now() + checkInterval;
    while (!signal.aborted) {
      await this.#pause.wait(interval, { signal, ignoreWakes: true });
      if (signal.aborted) return;
      // The process may have been held up for long: what it still has in hand may be another's already.
      if (this.#isSilent()) throw new Error(`no sign of the group for ${sessionTimeout} ms`);
      const sent = performance.now();
      try {
        const coordinator = await client.coordinator(group);
        await this.#request(
          coordinator,
          'Heartbeat',
          group,
          this.#generation,
          this.#memberId,
          this.#instanceId,
        );
        this.#lastSign = sent;
        outage.over('group');
        if (this.#divided && sent > nextCheck) {
          nextCheck = sent + checkInterval;
          if (await this.#haveTopicsChanged(this.#divided)) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (hasKafkaError(error, 'REBALANCE_IN_PROGRESS')) {
          this.#lastSign = sent;
          if (!this.#isAdopting) return;
          continue;
        }
        if (isForgotten(error) || this.#isSilent()) throw error;
        client.forgetCoordinator();
        outage.note('group', error);
      }
    }
  }

  async #haveTopicsChanged(divided: ReadonlyMap<string, number>): Promise<boolean> {
    for (const [name, size] of divided) {
      const topic = await this.#options.client.topic(name, { fresh: true });
      if ((topic?.partitionsCount ?? 0) > size) return true;
    }
    return false;
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const { client, listener, outage } = this.#options;
    if (hasKafkaError(error, 'MEMBER_ID_REQUIRED')) return;
    if (isForgotten(error) || this.#isSilent()) {
      const lost = [...this.#owned.values()];
      this.#owned = new Map();
      this.#memberId = '';
      this.#generation = -1;
      this.#divided = undefined;
      if (lost.length > 0) await listener.lost(lost);
    }
    // A round that was overtaken by the next one is joined anew, and nothing is wrong.
    if (!hasKafkaError(error, 'REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION')) {
      client.forgetCoordinator();
      outage.note('group', error);
    }
    await this.#pause.wait(backoff(failures), { signal: this.#abort.signal, ignoreWakes: true });
  }

  /** Whether the group may have given this member's partitions away, for all it has heard. */
  #isSilent(): boolean {
    return this.#owned.size > 0 && performance.now() - this.#lastSign > this.#options.sessionTimeout;
  }

  #request<Response>(coordinator: Broker, name: string, ...args: unknown[]): Promise<Response> {
    return this.#options.client.request<Response>(name, coordinator, 'group', ...args);
  }
}

function isForgotten(error: unknown): boolean {
  return hasKafkaError(error, 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID');
}
