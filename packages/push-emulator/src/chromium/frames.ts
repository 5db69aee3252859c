import { decodeMessage, encodeMessage, type MessageName, type Messages } from './messages.ts';

/** What each side says first on the message socket. */
export const MCS_VERSION = 0x29;

/** Tags of the messages that are understood here. */
const TAGS = {
  0: ['ping', 'Heartbeat'],
  1: ['pong', 'Heartbeat'],
  2: ['loginRequest', 'LoginRequest'],
  3: ['loginResponse', 'LoginResponse'],
  4: ['close', 'Close'],
  7: ['iq', 'IqStanza'],
  8: ['data', 'DataMessageStanza'],
} as const satisfies Record<number, readonly [string, MessageName]>;

type Tag = keyof typeof TAGS;
/** By what it is for: `ping` and `pong` are the same message. */
export type FrameKind = (typeof TAGS)[Tag][0];
type NameOf<K extends FrameKind> = Extract<(typeof TAGS)[Tag], readonly [K, MessageName]>[1];
export type MessageOf<K extends FrameKind> = Messages[NameOf<K>];
export type Frame =
  | { [K in FrameKind]: { readonly kind: K; readonly message: MessageOf<K> } }[FrameKind]
  | { readonly kind: 'unknown' };

const MAX_FRAME_BYTES = 1024 * 1024;
const MAX_VARINT_BYTES = 5;

/** A frame: tag, varint length, protobuf. */
export function encodeFrame<K extends FrameKind>(kind: K, message: MessageOf<K>): Buffer {
  const [tag, [, name]] = Object.entries(TAGS).find(([, [of]]) => of === kind)!;
  const body = encodeMessage<MessageName>(name, message as Messages[MessageName]);
  const length: number[] = [];
  let left = body.length;
  for (; left > 0x7f; left >>>= 7) length.push((left & 0x7f) | 0x80);
  return Buffer.concat([Buffer.of(Number(tag), ...length, left), body]);
}

/** Cuts one direction of a message socket into frames: first the version byte, then frame after frame. */
export class FrameReader {
  #bytes = Buffer.alloc(0);
  #hasVersion = false;

  /**
   * @returns the frames that are whole now
   * @throws when the other side speaks something else
   */
  read(chunk: Buffer): Frame[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (!this.#hasVersion) {
      const version = this.#bytes[0];
      if (version === undefined) return [];
      if (version !== MCS_VERSION)
        throw new Error(`version ${version} of the message socket, not ${MCS_VERSION}`);
      this.#hasVersion = true;
      this.#bytes = this.#bytes.subarray(1);
    }
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    let length = 0;
    let at = 1;
    for (;;) {
      const byte = this.#bytes[at];
      if (byte === undefined) return undefined;
      length |= (byte & 0x7f) << (7 * (at - 1));
      at += 1;
      if (byte < 0x80) break;
      if (at > MAX_VARINT_BYTES) throw new Error('the length of a frame does not end');
    }
    if (length < 0 || length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes is too long`);
    if (this.#bytes.length < at + length) return undefined;
    const tag = this.#bytes[0] as Tag;
    const body = this.#bytes.subarray(at, at + length);
    this.#bytes = this.#bytes.subarray(at + length);
    const known = TAGS[tag];
    return known
      ? ({ kind: known[0], message: decodeMessage(known[1], body) } as Frame)
      : { kind: 'unknown' };
  }
}
