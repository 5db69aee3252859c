/**
 * How publications and clients are written in Redis: text, in which JSON payloads stand as they came, so that they are not
 * parsed on their way; other bytes are base64.
 *
 * - a publication: a header, a newline, data. The header is empty, or JSON of `i` (info), `t` (tags), `b` (data is base64), `d`
 *   (a delta is wanted)
 * - a message: `p<offset>:<epoch>:<publication>`, `j<client>` for a join, `l<client>` for a leave
 * - a client: JSON of its user, a newline, JSON of the rest
 */
import { type Payload, RawBytes, RawJson } from '../payload.ts';
import type { ClientInfo, Publication } from '../publication.ts';

/** A payload inside JSON: its text, or its bytes as base64 in a list of one. */
type Packed = string | [string];

interface Header {
  readonly i?: string | undefined;
  readonly t?: Readonly<Record<string, string>> | undefined;
  readonly b?: 1 | undefined;
  readonly d?: 1 | undefined;
}

export function writePublication({ data, info, tags, delta }: Omit<Publication, 'offset'>): string {
  const isBinary = data instanceof RawBytes;
  const text = isBinary ? data.bytes.toString('base64') : data.text;
  if (!info && !tags && !isBinary && !delta) return `\n${text}`;
  const header: Header = {
    i: info && writeClient(info),
    t: tags,
    b: isBinary ? 1 : undefined,
    d: delta ? 1 : undefined,
  };
  return `${JSON.stringify(header)}\n${text}`;
}

export function readPublication(text: string, offset: number): Publication {
  const end = text.indexOf('\n');
  const body = text.slice(end + 1);
  if (end === 0) return { data: new RawJson(body), offset };
  const { i, t, b, d } = JSON.parse(text.slice(0, end)) as Header;
  return {
    data: b ? new RawBytes(Buffer.from(body, 'base64')) : new RawJson(body),
    offset,
    ...(i && { info: readClient(i) }),
    ...(t && { tags: t }),
    ...(d && { delta: true }),
  };
}

export function writeClient({ user, client, conn_info, chan_info }: ClientInfo): string {
  const rest = [client, conn_info && pack(conn_info), chan_info && pack(chan_info)];
  return `${JSON.stringify(user)}\n${JSON.stringify(rest)}`;
}

export function readClient(text: string): ClientInfo {
  const end = text.indexOf('\n');
  const [client, conn, chan] = JSON.parse(text.slice(end + 1)) as [string, Packed | null, Packed | null];
  return {
    user: JSON.parse(text.slice(0, end)) as string,
    client,
    ...(conn && { conn_info: unpack(conn) }),
    ...(chan && { chan_info: unpack(chan) }),
  };
}

export type Message =
  | { readonly kind: 'publication'; readonly publication: Publication; readonly epoch: string }
  | { readonly kind: 'join' | 'leave'; readonly info: ClientInfo };

/** A publication without history, as it goes out; those with history are written by the script. */
export function writeMessage(publication: string): string {
  return `p0::${publication}`;
}

export function writeAnnouncement(kind: 'join' | 'leave', info: ClientInfo): string {
  return `${kind === 'join' ? 'j' : 'l'}${writeClient(info)}`;
}

export function readMessage(text: string): Message {
  if (text[0] === 'p') {
    const epochAt = text.indexOf(':');
    const bodyAt = text.indexOf(':', epochAt + 1);
    const offset = Number(text.slice(1, epochAt));
    const epoch = text.slice(epochAt + 1, bodyAt);
    return { kind: 'publication', publication: readPublication(text.slice(bodyAt + 1), offset), epoch };
  }
  return { kind: text[0] === 'j' ? 'join' : 'leave', info: readClient(text.slice(1)) };
}

function pack(payload: Payload): Packed {
  return payload instanceof RawBytes ? [payload.bytes.toString('base64')] : payload.text;
}

function unpack(packed: Packed): Payload {
  return typeof packed === 'string' ? new RawJson(packed) : new RawBytes(Buffer.from(packed[0], 'base64'));
}
