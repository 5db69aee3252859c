import type { RedisLink } from '../../storage/redis/link.ts';
import {
  type Broker,
  type BrokerListener,
  EpochMismatchError,
  type HistoryOptions,
  type HistoryRequest,
  type HistoryResult,
  IDEMPOTENCY_MS,
  type Message,
  newEpoch,
  type OnPublished,
  type PublishOptions,
} from '../broker.ts';
import type { ClientInfo, StreamPosition } from '../publication.ts';
import {
  readMessage,
  readPublication,
  writeAnnouncement,
  writeMessage,
  writePublication,
} from './envelope.ts';
import { Feed } from './feed.ts';
import { STREAM_SCRIPTS } from './scripts.ts';
import { Shards } from './shards.ts';

/** Channels of a broadcast in one script: others wait meanwhile, about a millisecond. */
const BATCH = 64;
const BATCHES_UNDER_WAY = 8;

/** One Redis: a connection for commands, another that listens. */
export interface BrokerShard {
  /** The same on every node: it decides which channels are here. */
  readonly name: string;
  readonly commands: RedisLink;
  readonly subscriptions: RedisLink;
}

interface Batch {
  readonly commands: RedisLink;
  readonly names: string[];
  /** Where the names stand in the list. */
  readonly places: number[];
}

interface OpenShard {
  readonly commands: RedisLink;
  readonly feed: Feed;
}

/**
 * Streams in Redis, shared by all nodes. A publication is stored and sent to the nodes in one script, so that it comes in
 * the order of offsets; each node hears of the channels that it has subscribers in.
 */
export class RedisBroker implements Broker {
  readonly #prefix: string;
  readonly #shards: Shards<OpenShard>;
  #listener: BrokerListener | undefined;

  /** Uses the links, and leaves closing them to their owner. */
  constructor(shards: readonly BrokerShard[], prefix: string) {
    this.#prefix = prefix;
    const start = this.#pubSubName('').length;
    this.#shards = new Shards(
      shards.map(({ name, commands, subscriptions }) => ({
        name,
        value: {
          commands,
          feed: new Feed(
            subscriptions,
            (message, pubSubName) => this.#onMessage(message, pubSubName.slice(start)),
            (names) => this.#listener?.onInterruption(names.map((pubSubName) => pubSubName.slice(start))),
          ),
        },
      })),
    );
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener;
  }

  subscribe(channel: string): Promise<void> {
    return this.#shards.of(channel).feed.subscribe(this.#pubSubName(channel));
  }

  unsubscribe(channel: string): void {
    this.#shards.of(channel).feed.unsubscribe(this.#pubSubName(channel));
  }

  async publish(
    channel: string,
    message: Message,
    options: PublishOptions,
  ): Promise<StreamPosition | undefined> {
    const { commands } = this.#shards.of(channel);
    const [position] = await this.#publish(commands, [channel], writePublication(message), options);
    return position;
  }

  async publishMany(
    channels: readonly string[],
    message: Message,
    options: PublishOptions,
    onPublished?: OnPublished,
  ): Promise<void> {
    const body = writePublication(message);
    const underWay = new Set<Promise<void>>();
    let failure: Error | undefined;
    for (const { commands, names, places } of this.#batches(channels)) {
      if (underWay.size >= BATCHES_UNDER_WAY) await Promise.race(underWay);
      if (failure && !onPublished) break;
      const batch = this.#publish(commands, names, body, options)
        .then(
          (positions) => {
            for (const [index, place] of places.entries()) onPublished?.(place, positions[index]);
          },
          (error: Error) => {
            failure = error;
            for (const place of places) onPublished?.(place, error);
          },
        )
        .finally(() => underWay.delete(batch));
      underWay.add(batch);
    }
    await Promise.all(underWay);
    if (failure && !onPublished) throw failure;
  }

  async announce(kind: 'join' | 'leave', channel: string, info: ClientInfo): Promise<void> {
    const message = writeAnnouncement(kind, info);
    await this.#shards.of(channel).commands.command(['PUBLISH', this.#pubSubName(channel), message]);
  }

  async history(
    channel: string,
    { since, limit, reverse }: HistoryRequest,
    { metaTtl }: HistoryOptions,
  ): Promise<HistoryResult> {
    const [epoch, top, entries] = (await this.#shards
      .of(channel)
      .commands.run(
        STREAM_SCRIPTS.history,
        [this.#key('meta', channel), this.#key('stream', channel)],
        [
          String(metaTtl),
          newEpoch(),
          since ? String(since.offset) : '',
          since?.epoch ?? '',
          String(limit),
          reverse ? '1' : '0',
        ],
      )) as [string, string, [string, [string, string]][] | undefined];
    if (!entries) throw new EpochMismatchError(`epoch is ${epoch}`);
    const publications = entries.map(([id, [, body]]) =>
      readPublication(body, Number(id.slice(0, id.indexOf('-')))),
    );
    return { publications, offset: Number(top), epoch };
  }

  async removeHistory(channel: string): Promise<void> {
    await this.#shards.of(channel).commands.command(['DEL', this.#key('stream', channel)]);
  }

  /** Answers when all are there, those that listen too. */
  async ping(): Promise<void> {
    await Promise.all(this.#shards.all().map(({ commands }) => commands.command(['PING'])));
  }

  async close(): Promise<void> {}

  /** Channels in their order, some at a time, each batch on one server. */
  *#batches(channels: readonly string[]): Generator<Batch> {
    const open = new Map<RedisLink, Batch>();
    for (const [place, name] of channels.entries()) {
      const { commands } = this.#shards.of(name);
      let batch = open.get(commands);
      if (!batch) {
        batch = { commands, names: [], places: [] };
        open.set(commands, batch);
      }
      batch.names.push(name);
      batch.places.push(place);
      if (batch.names.length < BATCH) continue;
      yield batch;
      open.delete(commands);
    }
    yield* open.values();
  }

  /** Publishes in channels of one server. @returns their positions, in that order */
  async #publish(
    commands: RedisLink,
    channels: readonly string[],
    body: string,
    options: PublishOptions,
  ): Promise<(StreamPosition | undefined)[]> {
    const { idempotencyKey, history } = options;
    if (history.size > 0 && history.ttl > 0) return this.#store(commands, channels, body, options);
    const message = writeMessage(body);
    return Promise.all(
      channels.map(async (channel) => {
        const pubSubName = this.#pubSubName(channel);
        if (idempotencyKey) {
          const args = [message, pubSubName, String(IDEMPOTENCY_MS)];
          const keys = [this.#resultKey(channel, idempotencyKey)];
          const reply = (await commands.run(STREAM_SCRIPTS.publishOnce, keys, args)) as [string, string];
          return positionOf(...reply);
        }
        await commands.command(['PUBLISH', pubSubName, message]);
        return undefined;
      }),
    );
  }

  async #store(
    commands: RedisLink,
    channels: readonly string[],
    body: string,
    { history, version, versionEpoch, idempotencyKey }: PublishOptions,
  ): Promise<(StreamPosition | undefined)[]> {
    const keys: string[] = [];
    const args = [
      body,
      String(history.size),
      String(history.ttl),
      String(history.metaTtl),
      newEpoch(),
      String(version),
      versionEpoch,
      String(IDEMPOTENCY_MS),
    ];
    for (const channel of channels) {
      keys.push(this.#key('meta', channel), this.#key('stream', channel));
      if (idempotencyKey) keys.push(this.#resultKey(channel, idempotencyKey));
      args.push(this.#pubSubName(channel));
    }
    const reply = (await commands.run(STREAM_SCRIPTS.publish, keys, args)) as string[];
    return channels.map((_, index) => positionOf(reply[2 * index] ?? '', reply[2 * index + 1] ?? ''));
  }

  #onMessage(text: string, channel: string): void {
    const message = readMessage(text);
    if (message.kind === 'publication')
      this.#listener?.onPublication(channel, message.publication, message.epoch);
    else this.#listener?.onAnnouncement(message.kind, channel, message.info);
  }

  #pubSubName(channel: string): string {
    return `${this.#prefix}.channel.${channel}`;
  }

  #key(kind: 'meta' | 'stream', channel: string): string {
    return `${this.#prefix}.${kind}.{${channel}}`;
  }

  #resultKey(channel: string, idempotencyKey: string): string {
    return `${this.#prefix}.result.{${channel}}.${idempotencyKey}`;
  }
}

/** Of a repeat of what had no history the epoch is empty. */
function positionOf(offset: string, epoch: string): StreamPosition | undefined {
  return epoch === '' ? undefined : { offset: Number(offset), epoch };
}
