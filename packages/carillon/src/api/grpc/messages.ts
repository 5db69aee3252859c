import type { Root, Type } from 'protobufjs';
import { badRequest } from '../../errors.ts';
import { payloadOfBytes, RawBytes, RawJson } from '../../realtime/payload.ts';

/** Bytes that push services are sent as JSON objects; other bytes are payloads, which nobody here looks into. */
const OBJECTS = new Set(['message', 'payload']);

/** One kind of message, as an object with the names of the JSON form on this side, as bytes on the other. */
export class MessageType {
  readonly #type: Type;

  constructor(root: Root, name: string) {
    this.#type = root.lookupType(name);
  }

  /** Bytes that come in stay as they are; `toRequest` turns them into what methods take. */
  decode(bytes: Uint8Array): object {
    return this.#type.toObject(this.#type.decode(bytes), { longs: Number });
  }

  encode(message: object): Buffer {
    return Buffer.from(this.#type.encode(this.#type.fromObject(withBytes(message) as object)).finish());
  }
}

/**
 * A decoded message as the methods of the server API take it.
 * @throws ApiError 107 for bytes that must be a JSON object and are none
 */
export function toRequest(value: unknown, name = ''): unknown {
  if (value instanceof Uint8Array)
    return OBJECTS.has(name) ? parseObject(value, name) : payloadOfBytes(value);
  if (Array.isArray(value)) return value.map((item) => toRequest(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toRequest(member, key)]));
}

function parseObject(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw badRequest(name, 'must be JSON');
  }
}

/** The same message with the bytes of its payloads in their places. */
function withBytes(value: unknown): unknown {
  if (value instanceof RawBytes) return value.bytes;
  if (value instanceof RawJson) return Buffer.from(value.text);
  if (Array.isArray(value)) return value.map(withBytes);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withBytes(member)]));
}
