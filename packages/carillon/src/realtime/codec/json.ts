import { isUtf8 } from 'node:buffer';
import { disconnect } from '../codes.ts';
import { type Command, isRecord, requestOf } from '../commands.ts';
import { encodeJson } from '../json.ts';
import { RawJson } from '../payload.ts';
import type { Codec } from './codec.ts';
import { rawMember } from './raw-member.ts';

/** JSON: objects, one a line. */
export const jsonCodec: Codec = {
  name: 'json',
  decode(frame) {
    if (!isUtf8(frame)) throw disconnect('badRequest');
    const lines = frame
      .toString()
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (lines.length === 0) throw disconnect('badRequest');
    return lines.map(parseCommand);
  },
  encode: (message) => encodeJson(message),
  frame: (messages) => messages.join('\n'),
};

function parseCommand(line: string): Command {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw disconnect('badRequest');
  }
  if (!isRecord(value)) throw disconnect('badRequest');
  const { id = 0 } = value;
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > 0xffff_ffff)
    throw disconnect('badRequest');
  const { name, request } = requestOf(value);
  return {
    id: id as number,
    name,
    request: name && 'data' in request ? withRawData(line, name, request) : request,
    bytes: Buffer.byteLength(line),
  };
}

/** `data` as the client wrote it. */
function withRawData(line: string, name: string, request: Command['request']): Command['request'] {
  const member = rawMember(line, line.indexOf('{'), name);
  const data = member && rawMember(line, member[0], 'data');
  return data ? { ...request, data: new RawJson(line.slice(...data)) } : request;
}
