/** The few values of ASN.1 that a certificate is made of, in DER (X.690): a tag, the length, the content. */

export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  const { length } = bytes;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), bytes]);
  const octets = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | octets.length), octets, bytes]);
}

export const sequence = (...items: readonly Uint8Array[]) => der(0x30, ...items);
export const set = (...items: readonly Uint8Array[]) => der(0x31, ...items);
export const boolean = (value: boolean) => der(0x01, Buffer.of(value ? 0xff : 0));
export const octetString = (bytes: Uint8Array) => der(0x04, bytes);
/** Whole octets, but for the number of bits at the end that do not count. */
export const bitString = (bytes: Uint8Array, unusedBits = 0) => der(0x03, Buffer.of(unusedBits), bytes);
export const utf8String = (text: string) => der(0x0c, Buffer.from(text));
/** `[n]` around a whole value. */
export const explicit = (n: number, value: Uint8Array) => der(0xa0 | n, value);
/** `[n]` in place of a plain value's own tag. */
export const implicit = (n: number, content: Uint8Array) => der(0x80 | n, content);

/** A number of 0 or more, big-endian. */
export function integer(bytes: Uint8Array): Buffer {
  return der(0x02, ...(bytes[0]! & 0x80 ? [Buffer.of(0)] : []), bytes);
}

/** An object identifier, e.g. `2.5.29.17`. */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const septets = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) septets.unshift((left & 0x7f) | 0x80);
    return septets;
  });
  return der(0x06, Buffer.from(bytes));
}

/** UTC to the second; years 1950 to 2049. */
export function utcTime(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/\D/g, '')}Z`));
}
