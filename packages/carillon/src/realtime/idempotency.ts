import { IDEMPOTENCY_MS } from './broker.ts';
import type { StreamPosition } from './publication.ts';

/** An idempotency key that is in use: in which channels, their streams know. */
export interface KeyUse {
  readonly key: string;
  /** No message before this one has the key. */
  readonly firstSerial: number;
  /** When no channel remembers it any more. */
  expiresAt: number;
}

/** A message with a key, which its stream does not hold, or no longer. Without a position it can be one object for many channels. */
interface Loose {
  readonly use: KeyUse | undefined;
  readonly serial: number;
  readonly at: number;
  readonly position?: StreamPosition;
}

/**
 * Remembers which idempotency keys were used in which channels.
 *
 * A message in a stream's history carries its key, so that of a broadcast to a hundred thousand channels nothing more than the
 * message has to be kept. To find a key one looks at what the stream has got since the key was first used anywhere, which is
 * next to nothing. Only what is not in a history (there is none, or it had to go early) is noted here by channel.
 */
export class IdempotencyKeys {
  /** The key that was used last is last. */
  readonly #uses = new Map<string, KeyUse>();
  /** By channel; serials rise within each list. */
  readonly #loose = new Map<string, Loose[]>();

  /** The use of a key that is published with now, by a message with this serial. */
  use(key: string, serial: number, now: number): KeyUse {
    let use = this.#uses.get(key);
    if (use && use.expiresAt > now) this.#uses.delete(key);
    else use = { key, firstSerial: serial, expiresAt: 0 };
    use.expiresAt = now + IDEMPOTENCY_MS;
    this.#uses.set(key, use);
    return use;
  }

  /** Where a channel's stream stood when the key was used in it outside of its history. */
  find(channel: string, use: KeyUse, now: number): Loose | undefined {
    const list = this.#loose.get(channel);
    if (!list) return undefined;
    for (let index = list.length - 1; index >= 0; index--) {
      const loose = list[index] as Loose;
      if (loose.serial < use.firstSerial) break;
      if (loose.use === use && isRemembered(loose.at, now)) return loose;
    }
    return undefined;
  }

  /** Notes a message that its channel's history does not hold. */
  note(channel: string, loose: Loose): void {
    const list = this.#loose.get(channel);
    if (!list) this.#loose.set(channel, [loose]);
    // What goes from a history can be older than what never was in it.
    else list.splice(list.findLastIndex((other) => other.serial < loose.serial) + 1, 0, loose);
  }

  /** Forgets what is too old; of the channels, one after another as the caller pleases. */
  *sweep(now: number): Generator<void> {
    for (const [key, { expiresAt }] of this.#uses) {
      if (expiresAt > now) break;
      this.#uses.delete(key);
    }
    for (const [channel, list] of this.#loose) {
      const first = list.findIndex(({ at }) => isRemembered(at, now));
      if (first < 0) this.#loose.delete(channel);
      else if (first > 0) list.splice(0, first);
      yield;
    }
  }
}

export function isRemembered(at: number, now: number): boolean {
  return at + IDEMPOTENCY_MS > now;
}
