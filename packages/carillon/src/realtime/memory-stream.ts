import type { Message } from './broker.ts';
import type { KeyUse } from './idempotency.ts';
import type { Publication, StreamPosition } from './publication.ts';

/** A message as it is kept: one object for all channels it was published in. Its offset is where it stands in a stream. */
export interface KeptMessage {
  readonly message: Message;
  /** Undefined without an idempotency key. */
  readonly use: KeyUse | undefined;
  /** Higher than that of every message kept before. */
  readonly serial: number;
  /** Milliseconds of the clock. */
  readonly at: number;
}

/**
 * One channel's stream. The newest publication has the offset of the stream, each before it one less: offsets rise by one with
 * each publication, and publications go from the oldest on, or all at once.
 */
export class MemoryStream implements StreamPosition {
  readonly epoch: string;
  /** Of the newest publication there has been. */
  offset = 0;
  /** When the publications go; they go all together. */
  expiresAt = 0;
  /** When offset and epoch go too. */
  metaExpiresAt = 0;
  version = 0;
  versionEpoch = '';
  /** A ring once it is full: the oldest is at `#oldest`. */
  #kept: KeptMessage[] = [];
  #oldest = 0;

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  get length(): number {
    return this.#kept.length;
  }

  /** The one that lies so many before the newest, which is 0 before it. */
  before(steps: number): KeptMessage {
    const { length } = this.#kept;
    return this.#kept[(this.#oldest + length - 1 - steps) % length] as KeptMessage;
  }

  /** Adds the next publication, where at most `size` are there. @returns the oldest, when it had to make room */
  append(kept: KeptMessage, size: number): KeptMessage | undefined {
    this.offset += 1;
    if (this.#kept.length === size) {
      const gone = this.#kept[this.#oldest];
      this.#kept[this.#oldest] = kept;
      this.#oldest = (this.#oldest + 1) % size;
      return gone;
    }
    this.#straighten();
    this.#kept.push(kept);
    return undefined;
  }

  /** Drops all but the newest `size` publications. @returns what went, oldest first */
  trim(size: number): readonly KeptMessage[] {
    this.#straighten();
    const gone = this.#kept;
    this.#kept = gone.splice(Math.max(0, gone.length - size));
    return gone;
  }

  /** Publications with offsets from `first` to `last`, as far as they are there; oldest first. */
  publications(first: number, last: number): Publication[] {
    const from = Math.max(first, this.offset - this.length + 1);
    const found: Publication[] = [];
    for (let offset = from; offset <= Math.min(last, this.offset); offset++) {
      found.push(publicationAt(this.before(this.offset - offset).message, offset));
    }
    return found;
  }

  #straighten(): void {
    if (this.#oldest === 0) return;
    this.#kept = [...this.#kept.slice(this.#oldest), ...this.#kept.slice(0, this.#oldest)];
    this.#oldest = 0;
  }
}

export function publicationAt(message: Message, offset: number): Publication {
  return { ...message, offset };
}
