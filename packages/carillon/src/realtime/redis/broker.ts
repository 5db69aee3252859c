import type { RedisLink, Reply } from '../../storage/redis/link.ts';
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

/** Channels of a broadcast that are under way at once. */
const WINDOW = 512;

/** One Redis: a connection for commands, another that listens. */
export interface BrokerShard {
  /** The same on every node: it decides which channels are here. */
  readonly name: string;
  readonly commands: RedisLink;
  readonly subscriptions: RedisLink;
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

  publish(channel: string, message: Message, options: PublishOptions): Promise<StreamPosition | undefined> {
    return this.#publish(channel, writePublication(message), options);
  }

  async publishMany(
    channels: readonly string[],
    message: Message,
    options: PublishOptions,
    onPublished?: OnPublished,
  ): Promise<void> {
    const body = writePublication(message);
    for (let start = 0; start < channels.length; start += WINDOW) {
      const names = channels.slice(start, start + WINDOW);
      const outcomes = await Promise.allSettled(names.map((name) => this.#publish(name, body, options)));
      for (const [index, outcome] of outcomes.entries()) {
        if (onPublished)
          onPublished(start + index, outcome.status === 'fulfilled' ? outcome.value : outcome.reason);
        else if (outcome.status === 'rejected') throw outcome.reason;
      }
    }
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

  async #publish(
    channel: string,
    body: string,
    options: PublishOptions,
  ): Promise<StreamPosition | undefined> {
    const { commands } = this.#shards.of(channel);
    const { idempotencyKey, history } = options;
    const result = idempotencyKey && `${this.#key('result', channel)}.${idempotencyKey}`;
    if (history.size > 0 && history.ttl > 0) {
      return positionOf(await this.#store(commands, channel, body, result, options));
    }
    const message = writeMessage(body);
    const pubSubName = this.#pubSubName(channel);
    if (result) {
      const args = [message, pubSubName, String(IDEMPOTENCY_MS)];
      return positionOf(await commands.run(STREAM_SCRIPTS.publishOnce, [result], args));
    }
    await commands.command(['PUBLISH', pubSubName, message]);
    return undefined;
  }

  #store(
    commands: RedisLink,
    channel: string,
    body: string,
    result: string,
    { history, version, versionEpoch }: PublishOptions,
  ): Promise<Reply> {
    const keys = [this.#key('meta', channel), this.#key('stream', channel)];
    return commands.run(STREAM_SCRIPTS.publish, result ? [...keys, result] : keys, [
      body,
      this.#pubSubName(channel),
      String(history.size),
      String(history.ttl),
      String(history.metaTtl),
      newEpoch(),
      String(version),
      versionEpoch,
      String(IDEMPOTENCY_MS),
    ]);
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

  #key(kind: 'meta' | 'stream' | 'result', channel: string): string {
    return `${this.#prefix}.${kind}.{${channel}}`;
  }
}

/** Of a repeat of what had no history it is empty. */
function positionOf(reply: Reply): StreamPosition | undefined {
  const [offset, epoch] = reply as [string, string];
  return epoch === '' ? undefined : { offset: Number(offset), epoch };
}
