import protobuf from 'protobufjs';
import { disconnect } from '../codes.ts';
import { type Command, requestOf } from '../commands.ts';
import { DeltaData, RawBytes, RawJson } from '../payload.ts';
import type { Codec } from './codec.ts';
import { CLIENT_PROTOCOL } from './schema.ts';

const { root } = protobuf.parse(CLIENT_PROTOCOL, { keepCase: true });
const CommandType = root.lookupType('Command');
const ReplyType = root.lookupType('Reply');

const EmulationType = root.lookupType('EmulationRequest');

/** Commands for the connection that `session` is the key of, on the node with the uid `node`. */
export interface EmulationRequest {
  readonly node: string;
  readonly session: string;
  readonly data: Buffer;
}

/** Reads an emulation request; throws when it is none. */
export function decodeEmulation(body: Buffer): EmulationRequest {
  const { node = '', session = '', data = [] } = EmulationType.toObject(EmulationType.decode(body));
  return { node, session, data: Buffer.from(data) };
}

/** Protobuf: messages behind their length as a varint. */
export const protobufCodec: Codec = {
  name: 'protobuf',
  decode(frame) {
    const commands: Command[] = [];
    try {
      const reader = protobuf.Reader.create(frame);
      while (reader.pos < reader.len) {
        // Longs become numbers; one that is too great for that is refused where it is used.
        const start = reader.pos;
        const value = CommandType.toObject(CommandType.decodeDelimited(reader), { longs: Number });
        commands.push({ id: value.id ?? 0, ...requestOf(value), bytes: reader.pos - start });
      }
    } catch {
      throw disconnect('badRequest');
    }
    if (commands.length === 0) throw disconnect('badRequest');
    return commands;
  },
  encode: (message) => Buffer.from(ReplyType.encodeDelimited(withBytes(message) as object).finish()),
  frame: (messages) => Buffer.concat(messages as readonly Buffer[]),
};

/** The same message with the bytes of its payloads in their places. */
function withBytes(value: unknown): unknown {
  if (value instanceof RawBytes || value instanceof DeltaData) return value.bytes;
  if (value instanceof RawJson) return Buffer.from(value.text);
  if (Array.isArray(value)) return value.map(withBytes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withBytes(member)]));
}
