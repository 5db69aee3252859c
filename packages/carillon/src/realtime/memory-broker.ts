import {
  type Broker,
  type BrokerListener,
  EpochMismatchError,
  type HistoryOptions,
  type HistoryRequest,
  type HistoryResult,
  IDEMPOTENCY_MS,
  newEpoch,
  type PublishOptions,
} from './broker.ts';
import type { ClientInfo, Publication, StreamPosition } from './publication.ts';

const SWEEP_MS = 5_000;

interface Stream {
  readonly epoch: string;
  top: number;
  publications: Publication[];
  /** When the publications go; they go all together. */
  expiresAt: number;
  /** When offset and epoch go too. */
  metaExpiresAt: number;
  version: number;
  versionEpoch: string;
}

/** Streams in this process's memory: lost with it, which clients learn by a new epoch. */
export class MemoryBroker implements Broker {
  readonly #streams = new Map<string, Stream>();
  /** All live equally long, so the oldest are always first. */
  readonly #results = new Map<string, { position: StreamPosition | undefined; expiresAt: number }>();
  readonly #sweep: NodeJS.Timeout;
  readonly #now: () => number;
  #listener: BrokerListener | undefined;

  constructor({ now = Date.now } = {}) {
    this.#now = now;
    this.#sweep = setInterval(() => this.sweep(), SWEEP_MS);
    this.#sweep.unref();
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener;
  }

  async subscribe(): Promise<void> {}

  unsubscribe(): void {}

  async publish(
    channel: string,
    message: Omit<Publication, 'offset'>,
    options: PublishOptions,
  ): Promise<StreamPosition | undefined> {
    const now = this.#now();
    const key = options.idempotencyKey && `${channel}\0${options.idempotencyKey}`;
    const earlier = key ? this.#results.get(key) : undefined;
    if (earlier && earlier.expiresAt > now) return earlier.position;
    const { position, publication } = this.#add(channel, message, options, now);
    if (key) {
      this.#results.delete(key);
      this.#results.set(key, { position, expiresAt: now + IDEMPOTENCY_MS });
    }
    if (publication) this.#listener?.onPublication(channel, publication, position?.epoch ?? '');
    return position;
  }

  async announce(kind: 'join' | 'leave', channel: string, info: ClientInfo): Promise<void> {
    this.#listener?.onAnnouncement(kind, channel, info);
  }

  async history(channel: string, request: HistoryRequest, options: HistoryOptions): Promise<HistoryResult> {
    const stream = this.#stream(channel, options, this.#now());
    const { since, limit, reverse } = request;
    const position = { offset: stream.top, epoch: stream.epoch };
    if (since?.epoch && since.epoch !== stream.epoch)
      throw new EpochMismatchError(`epoch is ${stream.epoch}`);
    if (limit === 0) return { publications: [], ...position };
    let found = stream.publications;
    if (since)
      found = found.filter(({ offset }) => (reverse ? offset < since.offset : offset > since.offset));
    if (reverse) found = found.toReversed();
    return { publications: limit > 0 ? found.slice(0, limit) : [...found], ...position };
  }

  async removeHistory(channel: string): Promise<void> {
    const stream = this.#streams.get(channel);
    if (stream) stream.publications = [];
  }

  /** Forgets what has expired. */
  sweep(): void {
    const now = this.#now();
    for (const [key, { expiresAt }] of this.#results) {
      if (expiresAt > now) break;
      this.#results.delete(key);
    }
    for (const [channel, stream] of this.#streams) {
      if (stream.metaExpiresAt <= now) this.#streams.delete(channel);
      else if (stream.expiresAt <= now && stream.publications.length > 0) stream.publications = [];
    }
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    clearInterval(this.#sweep);
  }

  #add(
    channel: string,
    message: Omit<Publication, 'offset'>,
    options: PublishOptions,
    now: number,
  ): { position: StreamPosition | undefined; publication: Publication | undefined } {
    const { history, version, versionEpoch } = options;
    if (history.size <= 0 || history.ttl <= 0)
      return { position: undefined, publication: { ...message, offset: 0 } };
    const stream = this.#stream(channel, history, now);
    stream.expiresAt = now + history.ttl;
    if (
      version > 0 &&
      version <= stream.version &&
      (versionEpoch === '' || versionEpoch === stream.versionEpoch)
    ) {
      return { position: positionOf(stream), publication: undefined };
    }
    stream.version = version;
    stream.versionEpoch = version > 0 ? versionEpoch : '';
    stream.top += 1;
    const publication = { ...message, offset: stream.top };
    stream.publications.push(publication);
    if (stream.publications.length > history.size)
      stream.publications.splice(0, stream.publications.length - history.size);
    return { position: positionOf(stream), publication };
  }

  #stream(channel: string, { metaTtl }: HistoryOptions, now: number): Stream {
    let stream = this.#streams.get(channel);
    if (!stream || stream.metaExpiresAt <= now) {
      stream = {
        epoch: newEpoch(),
        top: 0,
        publications: [],
        expiresAt: 0,
        metaExpiresAt: 0,
        version: 0,
        versionEpoch: '',
      };
      this.#streams.set(channel, stream);
    }
    if (stream.expiresAt <= now && stream.publications.length > 0) stream.publications = [];
    stream.metaExpiresAt = now + metaTtl;
    return stream;
  }
}

function positionOf(stream: Stream): StreamPosition {
  return { offset: stream.top, epoch: stream.epoch };
}
