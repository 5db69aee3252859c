/** Lengths in bits of the code of each byte, and at the end of EOS (RFC 7541, appendix B). The code itself follows: it is canonical. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
] as const;
const EOS = 256;
const MAX_PADDING_BITS = 7;

/** The code as a tree: children of node n at 2n and 2n + 1; a leaf is -1 - symbol. */
const tree = buildTree();

/** Latin-1 of bytes in Huffman's code. @throws RangeError for what is not that code */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string {
  let text = '';
  let node = 0;
  let depth = 0;
  let ones = true;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    for (let bit = 7; bit >= 0; bit -= 1) {
      const one = (byte >> bit) & 1;
      const next = tree[2 * node + one] as number;
      depth += 1;
      ones &&= one === 1;
      if (next < 0) {
        if (next === -1 - EOS) throw new RangeError('EOS within a text');
        text += String.fromCharCode(-1 - next);
        node = 0;
        depth = 0;
        ones = true;
      } else node = next;
    }
  }
  // Padding is the beginning of EOS, which is all ones.
  if (depth > MAX_PADDING_BITS || !ones) throw new RangeError('wrong padding');
  return text;
}

function buildTree(): Int16Array {
  const children = new Int16Array(2 * LENGTHS.length);
  let nodes = 1;
  const symbols = LENGTHS.map((length, symbol) => ({ length, symbol })).sort(
    (a, b) => a.length - b.length || a.symbol - b.symbol,
  );
  let code = 0;
  let before = 0;
  for (const { length, symbol } of symbols) {
    code *= 2 ** (length - before);
    before = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit -= 1) {
      const at = 2 * node + (Math.floor(code / 2 ** bit) % 2);
      if (children[at] === 0) children[at] = nodes++;
      node = children[at] as number;
    }
    children[2 * node + (code % 2)] = -1 - symbol;
    code += 1;
  }
  return children;
}
