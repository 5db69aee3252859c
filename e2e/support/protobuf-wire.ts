import protobuf from 'protobufjs';
import { CLIENT_PROTOCOL } from '../../packages/carillon/src/realtime/codec/schema.ts';

const { root } = protobuf.parse(CLIENT_PROTOCOL, { keepCase: true });
const CommandType = root.lookupType('Command');
const ReplyType = root.lookupType('Reply');

/** The commands of a JSON frame in Protobuf; what is no such frame as the bytes that it is. */
export function encodeFrame(text: string): Buffer {
  try {
    const commands = text.split('\n').map((line) => CommandType.fromObject(withBytes(JSON.parse(line))));
    return Buffer.concat(commands.map((command) => CommandType.encodeDelimited(command).finish()));
  } catch {
    return Buffer.from(text);
  }
}

/** The messages of a Protobuf frame as JSON would have them, payloads as text. */
export function decodeFrame(frame: Buffer): Record<string, unknown>[] {
  const reader = protobuf.Reader.create(frame);
  const messages: Record<string, unknown>[] = [];
  while (reader.pos < reader.len) {
    const message = ReplyType.toObject(ReplyType.decodeDelimited(reader), { longs: Number, bytes: Buffer });
    messages.push(withText(message) as Record<string, unknown>);
  }
  return messages;
}

/** `data` as bytes. */
function withBytes(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no command');
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key === 'data') return [key, Buffer.from(JSON.stringify(member))];
      const isObject = typeof member === 'object' && member !== null && !Array.isArray(member);
      return [key, isObject ? withBytes(member) : member];
    }),
  );
}

function withText(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString();
  if (Array.isArray(value)) return value.map(withText);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withText(member)]));
}
