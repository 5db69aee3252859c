const FIRST_SLOTS = 1 << 16;
const MAX_LOAD = 0.6;

/**
 * Counts how often each of millions of targets was reached, in 9 bytes a slot: the target's 64-bit hash and a count up to 255. Two
 * targets of the same hash would count as one: among ten million, that happens once in 300 000 runs.
 */
export class TargetCounter {
  #slots = FIRST_SLOTS;
  #hashes = new Uint32Array(2 * FIRST_SLOTS);
  #counts = new Uint8Array(FIRST_SLOTS);
  #distinct = 0;
  #received = 0;

  /** All that came. */
  get received(): number {
    return this.#received;
  }

  /** Targets that were reached. */
  get distinct(): number {
    return this.#distinct;
  }

  /** What came beyond the first of its target. */
  get doubled(): number {
    return this.#received - this.#distinct;
  }

  /**
   * @param start of the target in `text` @param end after it
   * @returns a number from 0 up to 1 that belongs to the target for good, evenly spread
   */
  add(text: string, start = 0, end = text.length): number {
    let low = 0x811c9dc5;
    let high = 0x9747b28c ^ (end - start);
    for (let at = start; at < end; at += 2) {
      const two = text.charCodeAt(at) | (at + 1 < end ? text.charCodeAt(at + 1) << 16 : 0);
      low = Math.imul(low ^ two, 0x9e3779b1);
      low ^= low >>> 13;
      high = Math.imul(high ^ two, 0x5bd1e995);
      high ^= high >>> 15;
    }
    low = mix(low);
    this.#received += 1;
    this.#place(low, mix(high), 1);
    if (this.#distinct > this.#slots * MAX_LOAD) this.#grow();
    return low / 2 ** 32;
  }

  clear(): void {
    this.#slots = FIRST_SLOTS;
    this.#hashes = new Uint32Array(2 * FIRST_SLOTS);
    this.#counts = new Uint8Array(FIRST_SLOTS);
    this.#distinct = 0;
    this.#received = 0;
  }

  #place(low: number, high: number, count: number): void {
    const mask = this.#slots - 1;
    const hashes = this.#hashes;
    const counts = this.#counts;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const known = counts[slot]!;
      if (known === 0) {
        hashes[2 * slot] = low;
        hashes[2 * slot + 1] = high;
        counts[slot] = count;
        this.#distinct += 1;
        return;
      }
      if (hashes[2 * slot] === low && hashes[2 * slot + 1] === high) {
        counts[slot] = Math.min(known + count, 255);
        return;
      }
    }
  }

  #grow(): void {
    const hashes = this.#hashes;
    const counts = this.#counts;
    this.#slots *= 2;
    this.#hashes = new Uint32Array(2 * this.#slots);
    this.#counts = new Uint8Array(this.#slots);
    this.#distinct = 0;
    for (let slot = 0; slot < counts.length; slot += 1) {
      if (counts[slot]! > 0) this.#place(hashes[2 * slot]!, hashes[2 * slot + 1]!, counts[slot]!);
    }
  }
}

/** Spreads every bit over all others. */
function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
