/**
 * Deltas in the format of Fossil (fossil-scm.org, "The Fossil Delta Format"): the target's length and a line end; then commands,
 * each `<length>@<offset>,` to copy from the source or `<length>:<bytes>` to insert; then the target's checksum and `;`. Numbers
 * are in base 64 with digits of Fossil's own.
 *
 * What is copied is found in three steps: the common beginning, the common end, and between them blocks of the source,
 * looked up by a hash that rolls over the target.
 */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~';
const BLOCK = 16;
/** A copy shorter than its own command is no gain. */
const MIN_COPY = 12;
/** Blocks with the same hash that are tried: without a bound, a source of one repeated byte would take for ever. */
const MAX_TRIES = 16;
const FACTOR = 0x01000193;
/** FACTOR to the power of BLOCK - 1, in 32 bits: the weight of the byte that leaves the window. */
const OLDEST_WEIGHT = Array.from({ length: BLOCK - 1 }).reduce<number>(
  (product) => Math.imul(product, FACTOR),
  1,
);

interface Copy {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/**
 * The delta that makes `target` out of `source`. With `isText` it is valid UTF-8 if both are: no character is cut.
 * It may be longer than the target.
 */
export function fossilDelta(source: Buffer, target: Buffer, isText: boolean): Buffer {
  const parts: Buffer[] = [Buffer.from(`${number(target.length)}\n`)];
  let done = 0;
  const insertUpTo = (end: number) => {
    if (end === done) return;
    parts.push(Buffer.from(`${number(end - done)}:`), target.subarray(done, end));
    done = end;
  };
  for (const found of findCopies(source, target)) {
    const { from, to, length } = isText ? wholeCharacters(found, target) : found;
    if (length < MIN_COPY) continue;
    insertUpTo(to);
    parts.push(Buffer.from(`${number(length)}@${number(from)},`));
    done = to + length;
  }
  insertUpTo(target.length);
  parts.push(Buffer.from(`${number(checksum(target))};`));
  return Buffer.concat(parts);
}

/** Copies in the order of the target, none overlapping another there. */
function* findCopies(source: Buffer, target: Buffer): Generator<Copy> {
  const shorter = Math.min(source.length, target.length);
  let head = 0;
  while (head < shorter && source[head] === target[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && source[source.length - 1 - tail] === target[target.length - 1 - tail])
    tail += 1;
  if (head >= MIN_COPY) yield { from: 0, to: 0, length: head };
  else head = 0;
  if (tail < MIN_COPY) tail = 0;
  yield* findBlocks(source, target, head, target.length - tail);
  if (tail > 0) yield { from: source.length - tail, to: target.length - tail, length: tail };
}

/** Copies for `target` from `start` to `end`, from anywhere in the source. */
function* findBlocks(source: Buffer, target: Buffer, start: number, end: number): Generator<Copy> {
  if (source.length < BLOCK || end - start < BLOCK) return;
  const blocks = new Blocks(source);
  let done = start;
  let at = start;
  let hash = hashAt(target, at);
  while (at + BLOCK <= end) {
    const copy = blocks.longest(hash, target, at, done, end);
    if (copy) {
      yield copy;
      done = copy.to + copy.length;
      at = done;
      if (at + BLOCK > end) return;
      hash = hashAt(target, at);
      continue;
    }
    hash = Math.imul(hash - Math.imul(target[at] as number, OLDEST_WEIGHT), FACTOR);
    hash = (hash + (target[at + BLOCK] ?? 0)) | 0;
    at += 1;
  }
}

/** The blocks of a source by their hashes: chains in arrays, so that large payloads make no objects. */
class Blocks {
  readonly #source: Buffer;
  readonly #mask: number;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  constructor(source: Buffer) {
    const count = Math.floor(source.length / BLOCK);
    this.#source = source;
    const size = 2 ** Math.ceil(Math.log2(count * 2 + 1));
    this.#mask = size - 1;
    this.#heads = new Int32Array(size).fill(-1);
    this.#next = new Int32Array(count);
    for (let block = count - 1; block >= 0; block--) {
      const slot = this.#slot(hashAt(source, block * BLOCK));
      this.#next[block] = this.#heads[slot] as number;
      this.#heads[slot] = block;
    }
  }

  /** The longest copy that covers the block of the target at `at`, kept within `min` and `max` of the target. */
  longest(hash: number, target: Buffer, at: number, min: number, max: number): Copy | undefined {
    const source = this.#source;
    let best: Copy | undefined;
    let block = this.#heads[this.#slot(hash)] as number;
    for (let tries = 0; block >= 0 && tries < MAX_TRIES; tries++) {
      const start = block * BLOCK;
      let ahead = 0;
      while (
        at + ahead < max &&
        start + ahead < source.length &&
        source[start + ahead] === target[at + ahead]
      )
        ahead += 1;
      if (ahead >= BLOCK) {
        let back = 0;
        while (at - back > min && start - back > 0 && source[start - back - 1] === target[at - back - 1])
          back += 1;
        if (!best || back + ahead > best.length)
          best = { from: start - back, to: at - back, length: back + ahead };
      }
      block = this.#next[block] as number;
    }
    return best;
  }

  #slot(hash: number): number {
    return (hash ^ (hash >>> 15)) & this.#mask;
  }
}

function hashAt(bytes: Buffer, at: number): number {
  let hash = 0;
  for (let i = at; i < at + BLOCK; i++) hash = (Math.imul(hash, FACTOR) + (bytes[i] as number)) | 0;
  return hash;
}

/** The part of a copy that begins and ends between characters of the target. */
function wholeCharacters({ from, to, length }: Copy, target: Buffer): Copy {
  const isInside = (index: number) => ((target[index] ?? 0) & 0xc0) === 0x80;
  let skipped = 0;
  while (skipped < length && isInside(to + skipped)) skipped += 1;
  let end = to + length;
  while (end > to + skipped && isInside(end)) end -= 1;
  return { from: from + skipped, to: to + skipped, length: end - to - skipped };
}

function number(value: number): string {
  let digits = '';
  let rest = value;
  do {
    digits = (DIGITS[rest % 64] as string) + digits;
    rest = Math.floor(rest / 64);
  } while (rest > 0);
  return digits;
}

/** The sum of all 32-bit big-endian words, the last one filled up with zeros. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) sum = (sum + bytes.readUInt32BE(at)) >>> 0;
  for (let at = whole; at < bytes.length; at++)
    sum = (sum + (bytes[at] as number) * 2 ** (24 - 8 * (at - whole))) >>> 0;
  return sum;
}
