import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { PushEmulator } from '../src/index.ts';

/** A protobuf value as this fake writes and reads it: field → values, in order. */
type Fields = Map<number, (bigint | Buffer)[]>;

/** One frame of the message socket. */
export interface McsFrame {
  readonly tag: number;
  readonly fields: Fields;
}

export interface DataMessage {
  readonly from: string;
  readonly category: string;
  readonly appData: Record<string, string>;
  readonly persistentId: string;
  readonly rawData: Buffer | undefined;
  readonly ttl: number;
  readonly immediateAck: boolean;
}

export const TAGS = { ping: 0, pong: 1, login: 2, loginResponse: 3, close: 4, iq: 7, data: 8 };

/** Speaks Chromium's side: check-in and registration by HTTP, the message socket byte by byte. Acknowledges nothing by itself. */
export class FakeChromium {
  readonly #emulator: PushEmulator;
  readonly androidId: bigint;
  readonly securityToken: bigint;
  socket: TLSSocket | undefined;
  /** Frames that nobody has taken yet. */
  #inbox: McsFrame[] = [];
  #wake = () => {};
  /** Of the service, on the present connection; the LoginResponse is 1. */
  framesReceived = 0;
  firstByte: number | undefined;

  constructor(emulator: PushEmulator, androidId: bigint, securityToken: bigint) {
    this.#emulator = emulator;
    this.androidId = androidId;
    this.securityToken = securityToken;
  }

  static async checkIn(emulator: PushEmulator): Promise<FakeChromium> {
    const fields = await checkIn(emulator, 0n, 0n);
    return new FakeChromium(emulator, fixed64(fields, 7), fixed64(fields, 8));
  }

  /** Posts a registration form; gives the answer's text. */
  async post(form: Record<string, string>, authorization = this.#authorization()): Promise<string> {
    const response = await fetch(`${this.#emulator.url}/register`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form),
    });
    return response.text();
  }

  /** Subscribes a page, as web push does. */
  async subscribe(sender: string): Promise<{ token: string; subtype: string; form: Record<string, string> }> {
    const subtype = `wp:http://localhost:9000/#${randomUUID().toUpperCase()}-V2`;
    const form = {
      app: 'org.chromium.linux',
      'X-subtype': subtype,
      device: String(this.androidId),
      scope: 'GCM',
      'X-scope': 'GCM',
      gmsv: '156',
      appid: 'eXample',
      sender,
    };
    const text = await this.post(form);
    return { token: text.replace(/^token=/, ''), subtype, form };
  }

  async unsubscribe(form: Record<string, string>): Promise<string> {
    return this.post({ ...form, delete: 'true', sender: '*', scope: '*', 'X-scope': '*' });
  }

  /** Dials, says its version and logs in; resolves with the LoginResponse. */
  async logIn({
    persistentIds = [] as string[],
    securityToken = this.securityToken,
  } = {}): Promise<McsFrame> {
    const { hostname, port } = new URL(this.#emulator.mcsUrl);
    const socket = connect({ host: hostname, port: Number(port), ca: this.#emulator.ca });
    this.socket = socket;
    this.#inbox = [];
    this.framesReceived = 0;
    this.firstByte = undefined;
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (this.firstByte === undefined) {
        this.firstByte = bytes[0];
        bytes = bytes.subarray(1);
      }
      for (;;) {
        const frame = cut(bytes);
        if (!frame) break;
        bytes = frame.rest;
        this.framesReceived += 1;
        this.#inbox.push(frame);
        this.#wake();
      }
    });
    await once(socket, 'secureConnect');
    const id = text(String(this.androidId));
    socket.write(Buffer.of(0x29));
    this.send(TAGS.login, [
      [1, text('chrome-156')],
      [2, text('mcs.android.com')],
      [3, id],
      [4, id],
      [5, text(String(securityToken))],
      ...persistentIds.map((persistentId): [number, Buffer] => [10, text(persistentId)]),
    ]);
    return this.next();
  }

  send(tag: number, fields: [number, Buffer | bigint][]): void {
    const body = write(fields);
    this.socket!.write(Buffer.concat([Buffer.of(tag), varint(BigInt(body.length)), body]));
  }

  async next(): Promise<McsFrame> {
    while (this.#inbox.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    return this.#inbox.shift()!;
  }

  async nextData(): Promise<DataMessage> {
    const frame = await this.next();
    if (frame.tag !== TAGS.data) throw new Error(`tag ${frame.tag} instead of a data message`);
    return readData(frame);
  }

  /** Acknowledges all frames up to one, by default all that have come. */
  acknowledge(streamId = this.framesReceived): void {
    this.send(TAGS.iq, [
      [2, 0n],
      [10, BigInt(streamId)],
    ]);
  }

  /** All that came before the service answers a ping: the barrier by which tests show that nothing more came. */
  async drain(): Promise<McsFrame[]> {
    const before: McsFrame[] = [];
    this.send(TAGS.ping, []);
    for (;;) {
      const frame = await this.next();
      if (frame.tag === TAGS.pong) return before;
      before.push(frame);
    }
  }

  async leave(): Promise<void> {
    const closed = once(this.socket!, 'close');
    this.socket!.destroy();
    await closed;
  }

  #authorization(): string {
    return `AidLogin ${this.androidId}:${this.securityToken}`;
  }
}

/** One check-in; gives the answer's fields. */
export async function checkIn(emulator: PushEmulator, id: bigint, securityToken: bigint): Promise<Fields> {
  const token = Buffer.alloc(8);
  token.writeBigUInt64LE(securityToken);
  // Field 13 is fixed64, which `write` has no need of otherwise.
  const body = Buffer.concat([write([[2, id]]), Buffer.of((13 << 3) | 1), token, write([[14, 3n]])]);
  const response = await fetch(`${emulator.url}/checkin`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body,
  });
  return read(Buffer.from(await response.arrayBuffer()));
}

export function readData({ fields }: McsFrame): DataMessage {
  const string = (field: number, of = fields) => String(of.get(field)?.[0] ?? '');
  const appData = (fields.get(7) ?? []).map((value) => {
    const entry = read(value as Buffer);
    return [string(1, entry), string(2, entry)];
  });
  return {
    from: string(3),
    category: string(5),
    appData: Object.fromEntries(appData),
    persistentId: string(9),
    rawData: fields.get(21)?.[0] as Buffer | undefined,
    ttl: Number(fields.get(17)?.[0]),
    immediateAck: fields.get(24)?.[0] === 1n,
  };
}

export function fixed64(fields: Fields, field: number): bigint {
  const [value] = fields.get(field) ?? [];
  return (value as Buffer).readBigUInt64LE();
}

const text = (value: string) => Buffer.from(value);

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.of(...bytes, Number(left));
}

function write(fields: [number, Buffer | bigint][]): Buffer {
  return Buffer.concat(
    fields.flatMap(([field, value]) =>
      typeof value === 'bigint'
        ? [varint(BigInt(field << 3)), varint(value)]
        : [varint(BigInt((field << 3) | 2)), varint(BigInt(value.length)), value],
    ),
  );
}

function read(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const wire = Number(key & 7n);
    const length = wire === 0 ? 0 : wire === 1 ? 8 : Number(number());
    const value = wire === 0 ? number() : bytes.subarray(at, at + length);
    at += length;
    const field = Number(key >> 3n);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

function cut(bytes: Buffer): (McsFrame & { rest: Buffer }) | undefined {
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (bytes.length < at + length) return undefined;
  return { tag: bytes[0]!, fields: read(bytes.subarray(at, at + length)), rest: bytes.subarray(at + length) };
}
