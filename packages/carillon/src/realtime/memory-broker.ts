import {
  type Broker,
  type BrokerListener,
  EpochMismatchError,
  type HistoryOptions,
  type HistoryRequest,
  type HistoryResult,
  type Message,
  newEpoch,
  type OnPublished,
  type PublishOptions,
} from './broker.ts';
import { IdempotencyKeys, isRemembered, type KeyUse } from './idempotency.ts';
import { type KeptMessage, MemoryStream, publicationAt } from './memory-stream.ts';
import type { ClientInfo, StreamPosition } from './publication.ts';
import { Slices } from './slices.ts';

const SWEEP_MS = 5_000;

/** Streams in this process's memory: lost with it, which clients learn by a new epoch. */
export class MemoryBroker implements Broker {
  readonly #streams = new Map<string, MemoryStream>();
  readonly #keys = new IdempotencyKeys();
  /** Channels with subscribers: only of these publications are told. */
  readonly #subscribed = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  readonly #now: () => number;
  #listener: BrokerListener | undefined;
  #serial = 0;
  /** Of new streams, until any of them ends: so no channel has an epoch twice. */
  #epoch: string | undefined;
  readonly #slices = new Slices();

  constructor({ now = Date.now } = {}) {
    this.#now = now;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener;
  }

  async subscribe(channel: string): Promise<void> {
    this.#subscribed.add(channel);
  }

  unsubscribe(channel: string): void {
    this.#subscribed.delete(channel);
  }

  async publish(
    channel: string,
    message: Message,
    options: PublishOptions,
  ): Promise<StreamPosition | undefined> {
    const now = this.#now();
    const position = this.#publish(channel, this.#keep(message, options, now), options, now);
    return position && copyOf(position);
  }

  async publishMany(
    channels: readonly string[],
    message: Message,
    options: PublishOptions,
    onPublished?: OnPublished,
  ): Promise<void> {
    let now = this.#now();
    let kept = this.#keep(message, options, now);
    for (const [index, channel] of channels.entries()) {
      if (this.#slices.isOver()) {
        await this.#slices.giveWay();
        now = this.#now();
        // Others have published meanwhile, and serials rise.
        kept = this.#keep(message, options, now);
      }
      const position = this.#publish(channel, kept, options, now);
      onPublished?.(index, position && copyOf(position));
    }
  }

  async announce(kind: 'join' | 'leave', channel: string, info: ClientInfo): Promise<void> {
    this.#listener?.onAnnouncement(kind, channel, info);
  }

  async history(channel: string, request: HistoryRequest, options: HistoryOptions): Promise<HistoryResult> {
    const stream = this.#stream(channel, options, this.#now());
    const { since, limit, reverse } = request;
    const position = copyOf(stream);
    if (since?.epoch && since.epoch !== stream.epoch)
      throw new EpochMismatchError(`epoch is ${stream.epoch}`);
    const count = limit < 0 ? stream.length : limit;
    if (count === 0) return { publications: [], ...position };
    if (reverse) {
      const last = since ? Math.min(since.offset - 1, stream.offset) : stream.offset;
      return { publications: stream.publications(last - count + 1, last).reverse(), ...position };
    }
    const first = Math.max(since ? since.offset + 1 : 0, stream.offset - stream.length + 1);
    return { publications: stream.publications(first, first + count - 1), ...position };
  }

  async removeHistory(channel: string): Promise<void> {
    const stream = this.#streams.get(channel);
    if (stream) this.#trim(channel, stream, 0, this.#now());
  }

  /** Forgets what has expired. */
  async sweep(): Promise<void> {
    const now = this.#now();
    const slices = new Slices();
    for (const _ of this.#keys.sweep(now)) if (slices.isOver()) await slices.giveWay();
    for (const [channel, stream] of this.#streams) {
      if (stream.metaExpiresAt <= now) this.#end(channel, stream, now);
      else if (stream.expiresAt <= now) this.#trim(channel, stream, 0, now);
      if (slices.isOver()) await slices.giveWay();
    }
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    clearInterval(this.#timer);
  }

  #keep(message: Message, { idempotencyKey }: PublishOptions, now: number): KeptMessage {
    const serial = this.#serial++;
    const use = idempotencyKey === '' ? undefined : this.#keys.use(idempotencyKey, serial, now);
    return { message, use, serial, at: now };
  }

  /** @returns where the stream stands, of a repeat where it stood; undefined without history */
  #publish(
    channel: string,
    kept: KeptMessage,
    { history, version, versionEpoch }: PublishOptions,
    now: number,
  ): StreamPosition | undefined {
    const hasHistory = history.size > 0 && history.ttl > 0;
    const stream = hasHistory ? this.#stream(channel, history, now) : this.#streams.get(channel);
    const earlier = kept.use && this.#find(channel, stream, kept.use, now);
    if (earlier) return earlier.position;
    if (!stream || !hasHistory) {
      if (kept.use) this.#keys.note(channel, kept);
      this.#tell(channel, kept, 0, '');
      return undefined;
    }
    stream.expiresAt = now + history.ttl;
    if (version > 0 && version <= stream.version && ['', stream.versionEpoch].includes(versionEpoch)) {
      this.#forget(channel, kept, copyOf(stream), now);
      return stream;
    }
    stream.version = version;
    stream.versionEpoch = version > 0 ? versionEpoch : '';
    if (stream.length > history.size) this.#trim(channel, stream, history.size, now);
    const gone = stream.append(kept, history.size);
    if (gone?.use)
      this.#forget(channel, gone, { offset: stream.offset - history.size, epoch: stream.epoch }, now);
    this.#tell(channel, kept, stream.offset, stream.epoch);
    return stream;
  }

  #tell(channel: string, { message }: KeptMessage, offset: number, epoch: string): void {
    if (this.#subscribed.has(channel))
      this.#listener?.onPublication(channel, publicationAt(message, offset), epoch);
  }

  /** What a key did in a channel, while it is remembered. */
  #find(
    channel: string,
    stream: MemoryStream | undefined,
    use: KeyUse,
    now: number,
  ): { readonly position?: StreamPosition } | undefined {
    for (let steps = 0; stream && steps < stream.length; steps++) {
      const kept = stream.before(steps);
      if (kept.serial < use.firstSerial) break;
      if (kept.use === use && isRemembered(kept.at, now))
        return { position: { offset: stream.offset - steps, epoch: stream.epoch } };
    }
    return this.#keys.find(channel, use, now);
  }

  #stream(channel: string, { metaTtl }: HistoryOptions, now: number): MemoryStream {
    let stream = this.#streams.get(channel);
    if (stream && stream.metaExpiresAt <= now) {
      this.#end(channel, stream, now);
      stream = undefined;
    }
    if (!stream) {
      this.#epoch ??= newEpoch();
      stream = new MemoryStream(this.#epoch);
      this.#streams.set(channel, stream);
    }
    if (stream.expiresAt <= now) this.#trim(channel, stream, 0, now);
    stream.metaExpiresAt = now + metaTtl;
    return stream;
  }

  /** Forgets a stream with its offset and epoch. */
  #end(channel: string, stream: MemoryStream, now: number): void {
    this.#trim(channel, stream, 0, now);
    this.#streams.delete(channel);
    this.#epoch = undefined;
  }

  /** Drops all but the newest `size` publications. */
  #trim(channel: string, stream: MemoryStream, size: number, now: number): void {
    if (stream.length <= size) return;
    const newest = stream.offset - size;
    const gone = stream.trim(size);
    for (const [index, kept] of gone.entries())
      this.#forget(channel, kept, { offset: newest - gone.length + 1 + index, epoch: stream.epoch }, now);
  }

  /** A message is out of its history: its key alone stays, while it is remembered. */
  #forget(channel: string, { use, serial, at }: KeptMessage, position: StreamPosition, now: number): void {
    if (use && isRemembered(at, now)) this.#keys.note(channel, { use, serial, at, position });
  }
}

function copyOf({ offset, epoch }: StreamPosition): StreamPosition {
  return { offset, epoch };
}
