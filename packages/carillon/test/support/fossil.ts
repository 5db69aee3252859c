const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~';

/** Applies a Fossil delta as its format says; throws when anything in it is not as it must be. */
export function applyFossilDelta(source: Buffer, delta: Buffer): Buffer {
  let at = 0;
  const number = () => {
    let value = 0;
    const start = at;
    for (; DIGITS.includes(String.fromCharCode(delta[at] ?? 0)) && at < delta.length; at++)
      value = value * 64 + DIGITS.indexOf(String.fromCharCode(delta[at] as number));
    if (at === start) throw new Error(`a number is missing at ${at}`);
    return value;
  };
  const mark = () => String.fromCharCode(delta[at++] ?? 0);
  const size = number();
  if (mark() !== '\n') throw new Error('no line end behind the size');
  const parts: Buffer[] = [];
  while (true) {
    const value = number();
    const kind = mark();
    if (kind === ':') {
      parts.push(delta.subarray(at, at + value));
      at += value;
    } else if (kind === '@') {
      const offset = number();
      if (mark() !== ',' || offset + value > source.length) throw new Error('a copy is wrong');
      parts.push(source.subarray(offset, offset + value));
    } else if (kind === ';') {
      const target = Buffer.concat(parts);
      if (target.length !== size) throw new Error(`the size is ${target.length}, not ${size}`);
      if (sumOf(target) !== value) throw new Error('the checksum is wrong');
      if (at !== delta.length) throw new Error('something stands behind the end');
      return target;
    } else throw new Error(`unknown command ${kind}`);
  }
}

function sumOf(bytes: Buffer): number {
  const padded = Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  let sum = 0n;
  for (let at = 0; at < padded.length; at += 4) sum += BigInt(padded.readUInt32BE(at));
  return Number(sum & 0xffff_ffffn);
}
