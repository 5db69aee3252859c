/**
 * Which of several Redis servers a channel belongs to: rendezvous hashing. Each server has a score for each channel, and
 * the highest one wins, so that a server that comes or goes moves only the channels that it gets or had. Scores depend on
 * the names, not on their order.
 */
export class Shards<T> {
  readonly #shards: readonly { readonly seed: number; readonly value: T }[];

  constructor(shards: readonly { readonly name: string; readonly value: T }[]) {
    this.#shards = shards.map(({ name, value }) => ({ seed: hash(name, 0x811c9dc5), value }));
  }

  of(channel: string): T {
    let [best] = this.#shards;
    if (!best) throw new Error('there is no shard');
    if (this.#shards.length === 1) return best.value;
    let bestScore = -1;
    for (const shard of this.#shards) {
      const score = mix(hash(channel, shard.seed));
      if (score <= bestScore) continue;
      best = shard;
      bestScore = score;
    }
    return best.value;
  }

  /** Each once, in the order given. */
  all(): T[] {
    return this.#shards.map(({ value }) => value);
  }
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string, seed: number): number {
  let value = seed;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

/** Murmur3's last step: FNV alone leaves the scores of similar names alike. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
