/**
 * What the server sends while a slot is read: the frames of streaming replication, and in them the messages of the
 * plugin `pgoutput`, version 1 (PostgreSQL's documentation, "Streaming Replication Protocol" and "Logical Replication
 * Message Formats"). Only what a reader of inserted rows needs is told apart; the rest is `other`.
 */
import type { Lsn } from './lsn.ts';

export type Frame =
  | { readonly kind: 'data'; readonly message: LogMessage }
  /** `walEnd`: up to where the server has looked; `replyNow`: it will hang up if it hears nothing soon. */
  | { readonly kind: 'keepalive'; readonly walEnd: Lsn; readonly replyNow: boolean };

export interface Relation {
  readonly kind: 'relation';
  readonly id: number;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly { readonly name: string; readonly type: number }[];
}

export type LogMessage =
  /** `lsn`: where the transaction's commit stands. Its rows follow, then its commit. */
  | { readonly kind: 'begin'; readonly lsn: Lsn }
  /** `endLsn`: the place behind the commit; a slot confirmed up to there never sends the transaction again. */
  | { readonly kind: 'commit'; readonly endLsn: Lsn }
  /** Comes before the first row of a table, and again after the table was changed. */
  | Relation
  /** A value is text, null, or undefined where the server left it out. */
  | {
      readonly kind: 'insert';
      readonly relation: number;
      readonly values: readonly (string | null | undefined)[];
    }
  | { readonly kind: 'other' };

const MICROSECONDS_TO_2000 = 946_684_800_000_000n;

/** @throws when the bytes are no frame, or end before it does */
export function decodeFrame(bytes: Buffer): Frame {
  const tag = String.fromCharCode(bytes.readUInt8(0));
  // Start of the data, end of the log, time: what stands before the message.
  if (tag === 'w') return { kind: 'data', message: decodeMessage(bytes.subarray(25)) };
  if (tag === 'k')
    return { kind: 'keepalive', walEnd: bytes.readBigUInt64BE(1), replyNow: bytes.readUInt8(17) === 1 };
  throw new Error(`replication: a frame begins with ${JSON.stringify(tag)}, known are "w" and "k"`);
}

function decodeMessage(bytes: Buffer): LogMessage {
  switch (String.fromCharCode(bytes.readUInt8(0))) {
    case 'B':
      return { kind: 'begin', lsn: bytes.readBigUInt64BE(1) };
    case 'C':
      return { kind: 'commit', endLsn: bytes.readBigUInt64BE(10) };
    case 'R':
      return decodeRelation(new Cursor(bytes, 1));
    case 'I':
      return decodeInsert(new Cursor(bytes, 1));
    default:
      return { kind: 'other' };
  }
}

function decodeRelation(cursor: Cursor): Relation {
  const id = cursor.uint32();
  const schema = cursor.text() || 'pg_catalog';
  const table = cursor.text();
  cursor.uint8();
  const columns = Array.from({ length: cursor.uint16() }, () => {
    cursor.uint8();
    const name = cursor.text();
    const type = cursor.uint32();
    cursor.uint32();
    return { name, type };
  });
  return { kind: 'relation', id, schema, table, columns };
}

function decodeInsert(cursor: Cursor): LogMessage {
  const relation = cursor.uint32();
  cursor.uint8();
  const values = Array.from({ length: cursor.uint16() }, () => {
    const form = String.fromCharCode(cursor.uint8());
    if (form === 'n') return null;
    return form === 't' ? cursor.bytes(cursor.uint32()).toString('utf8') : undefined;
  });
  return { kind: 'insert', relation, values };
}

/**
 * The reader's word to the server: what it has received, and up to where everything has taken effect, which the server
 * then need not keep any more.
 * @param ping asks for an answer at once
 */
export function encodeStatus(received: Lsn, confirmed: Lsn, { ping = false, now = Date.now() } = {}): Buffer {
  const bytes = Buffer.alloc(34);
  bytes.write('r');
  bytes.writeBigUInt64BE(received, 1);
  bytes.writeBigUInt64BE(confirmed, 9);
  bytes.writeBigUInt64BE(confirmed, 17);
  bytes.writeBigInt64BE(BigInt(now) * 1_000n - MICROSECONDS_TO_2000, 25);
  bytes.writeUInt8(ping ? 1 : 0, 33);
  return bytes;
}

class Cursor {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  uint8(): number {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  uint16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('replication: a message ends before its value does');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) throw new RangeError('replication: a message ends before its text does');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }
}
