/** Frames of HTTP/2 (RFC 9113 §4 and §6), as far as a sink has to do with them. */
import type { SinkAnswer } from './answers.ts';
import { encodeResponse } from './hpack.ts';

export const HEADER_BYTES = 9;

/** Types (§6). */
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** Flags. */
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 32;

/** Settings (§6.5.2). */
export const MAX_CONCURRENT_STREAMS = 3;
export const INITIAL_WINDOW_SIZE = 4;

/** Error codes (§7). */
export const PROTOCOL_ERROR = 1;
export const FLOW_CONTROL_ERROR = 3;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

/** What ends a connection with GOAWAY. */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** An answer's frames, made once, of the stream 0. */
export interface AnswerFrames {
  /** Headers, and the body if there is one. */
  readonly both: Buffer;
  /** Where the body's frame begins; 0 where there is none. */
  readonly dataAt: number;
}

export function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  payload.copy(bytes, HEADER_BYTES);
  return bytes;
}

export function framesOf({ status, headers, body }: SinkAnswer): AnswerFrames {
  const block = encodeResponse(status, headers);
  const first = frame(HEADERS, END_HEADERS | (body ? 0 : END_STREAM), 0, block);
  return {
    both: body ? Buffer.concat([first, frame(DATA, END_STREAM, 0, body)]) : first,
    dataAt: body ? first.length : 0,
  };
}

export function windowUpdate(id: number, more: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(more);
  return frame(WINDOW_UPDATE, 0, id, payload);
}

/** What a frame carries without its padding. */
export function unpadded(flags: number, payload: Buffer): Buffer {
  if (!(flags & PADDED)) return payload;
  const padding = payload[0] ?? 0;
  if (padding >= payload.length) throw new ConnectionError(PROTOCOL_ERROR, 'more padding than frame');
  return payload.subarray(1, payload.length - padding);
}
