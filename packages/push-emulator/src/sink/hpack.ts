import { decodeHuffman } from './huffman.ts';

/** RFC 7541, appendix A, from index 1 on: names, and values after a colon of their own. */
const STATIC_TABLE = [
  ...[':authority', ':method\0GET', ':method\0POST', ':path\0/', ':path\0/index.html', ':scheme\0http'],
  ...[':scheme\0https', ':status\x00200', ':status\x00204', ':status\x00206', ':status\x00304'],
  ...[
    ':status\x00400',
    ':status\x00404',
    ':status\x00500',
    'accept-charset',
    'accept-encoding\0gzip, deflate',
  ],
  ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow'],
  ...['authorization', 'cache-control', 'content-disposition', 'content-encoding', 'content-language'],
  ...[
    'content-length',
    'content-location',
    'content-range',
    'content-type',
    'cookie',
    'date',
    'etag',
    'expect',
  ],
  ...['expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
  ...['if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate'],
  ...['proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie'],
  ...['strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'],
].map((entry): Field => {
  const [name = '', value = ''] = entry.split('\0');
  return { name, value };
});
/** What the table may hold, in bytes: the default of SETTINGS_HEADER_TABLE_SIZE. */
const TABLE_BYTES = 4_096;
const ENTRY_OVERHEAD = 32;
const STATUS_INDEXES = new Map([200, 204, 206, 304, 400, 404, 500].map((status, at) => [status, 8 + at]));
const STATUS_NAME = 8;

interface Field {
  readonly name: string;
  readonly value: string;
}

/** Reads the header blocks of one connection, in their order (RFC 7541). */
export class HpackDecoder {
  /** Newest first. */
  #table: Field[] = [];
  #size = 0;
  #maxSize = TABLE_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The last path that was no table's, and its length and code: many clients have but one. */
  #pathCode: Buffer = Buffer.alloc(0);
  #lastPath = '';

  /** The value of `:path`, empty when there is none. @throws RangeError for what is no header block */
  pathOf(block: Buffer): string {
    this.#block = block;
    this.#at = 0;
    let path = '';
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      let field: Field;
      if (first & 0x80) field = this.#entry(this.#integer(7));
      else if (first & 0x40) {
        field = this.#literal(6);
        this.#add(field);
      } else if (first & 0x20) {
        this.#resize(this.#integer(5));
        continue;
      } else {
        // It enters no table, so nobody asks for another value than a path.
        if (this.#name(4) === ':path') path = this.#path();
        else this.#skipText();
        continue;
      }
      if (field.name === ':path') path = field.value;
    }
    return path;
  }

  #entry(index: number): Field {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table[index - 1 - STATIC_TABLE.length];
    if (!field) throw new RangeError(`no header has the index ${index}`);
    return field;
  }

  #literal(prefix: number): Field {
    return { name: this.#name(prefix), value: this.#text() };
  }

  #name(prefix: number): string {
    const index = this.#integer(prefix);
    return index === 0 ? this.#text() : this.#entry(index).name;
  }

  #add(field: Field): void {
    this.#table.unshift(field);
    this.#size += sizeOf(field);
    this.#evict();
  }

  #resize(size: number): void {
    if (size > TABLE_BYTES) throw new RangeError(`a table of ${size} bytes`);
    this.#maxSize = size;
    this.#evict();
  }

  #evict(): void {
    while (this.#size > this.#maxSize) this.#size -= sizeOf(this.#table.pop() as Field);
  }

  #integer(prefix: number): number {
    const max = (1 << prefix) - 1;
    let value = this.#byte() & max;
    if (value < max) return value;
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw new RangeError('a number without end');
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  #text(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const start = this.#skipText();
    return isHuffman
      ? decodeHuffman(this.#block, start, this.#at)
      : this.#block.toString('latin1', start, this.#at);
  }

  /** As a text, but decoded only when it is not the one before. */
  #path(): string {
    const before = this.#at;
    const { length } = this.#pathCode;
    const end = before + length;
    const isKnown =
      length > 0 &&
      end <= this.#block.length &&
      this.#block.compare(this.#pathCode, 0, length, before, end) === 0;
    if (isKnown) {
      this.#at = end;
      return this.#lastPath;
    }
    this.#lastPath = this.#text();
    this.#pathCode = this.#block.subarray(before, this.#at);
    return this.#lastPath;
  }

  /** @returns where it began, after its length */
  #skipText(): number {
    const length = this.#integer(7);
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#block.length) throw new RangeError('a text beyond its block');
    return start;
  }

  #byte(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw new RangeError('a header block that is cut off');
    this.#at += 1;
    return byte;
  }
}

/** A header block that leaves no trace in the other side's table, so that it can be made once and sent on any connection. */
export function encodeResponse(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const index = STATUS_INDEXES.get(status);
  const parts: Buffer[] = [
    index === undefined
      ? Buffer.concat([Buffer.of(STATUS_NAME), encodeText(String(status))])
      : Buffer.of(0x80 | index),
  ];
  for (const [name, value] of Object.entries(headers))
    parts.push(Buffer.of(0), encodeText(name), encodeText(value));
  return Buffer.concat(parts);
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 0x7f) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const rest = bytes.length - 0x7f;
  const length = rest < 0x80 ? [0x7f, rest] : [0x7f, (rest & 0x7f) | 0x80, rest >> 7];
  return Buffer.concat([Buffer.from(length), bytes]);
}

function sizeOf({ name, value }: Field): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}
