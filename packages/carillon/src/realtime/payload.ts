import { isUtf8 } from 'node:buffer';

/** JSON text that is embedded as it stands: the data of a publication is never parsed again for each receiver. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  static of(value: unknown): RawJson {
    return new RawJson(JSON.stringify(value));
  }
}

/** Bytes that are no JSON: only Protobuf connections can carry them. */
export class RawBytes {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** Where any bytes are data, none at all are, too. JSON leaves them out. */
export const NO_DATA = new RawBytes(Buffer.alloc(0));

export function isEmpty(payload: Payload): boolean {
  return payload instanceof RawBytes && payload.bytes.length === 0;
}

/** What publications, infos and replies carry for applications; nothing here looks into it. */
export type Payload = RawJson | RawBytes;

/** The data of a publication to a subscriber that negotiated deltas: in JSON they stand in a string. */
export class DeltaData {
  readonly bytes: Buffer;
  /** False for bytes that no JSON connection can carry. */
  readonly isText: boolean;

  constructor(bytes: Buffer, isText: boolean) {
    this.bytes = bytes;
    this.isText = isText;
  }
}

/** Takes bytes as JSON when they are. They are copied, since they may lie in a larger buffer. */
export function payloadOfBytes(bytes: Uint8Array): Payload {
  const copy = Buffer.from(bytes);
  if (!isUtf8(copy)) return new RawBytes(copy);
  const text = copy.toString();
  try {
    JSON.parse(text);
  } catch {
    return new RawBytes(copy);
  }
  return new RawJson(text);
}

/** The bytes of a payload as applications see them. */
export function bytesOf(payload: Payload): Buffer {
  return payload instanceof RawBytes ? payload.bytes : Buffer.from(payload.text);
}
