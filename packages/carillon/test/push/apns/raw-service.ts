import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { certificates } from './support.ts';

const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;
export const FRAME = { data: 0, headers: 1, priority: 2, settings: 4, goaway: 7 } as const;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
/** `:status: 200`, by its place in HPACK's static table (RFC 7541, appendix A). */
const STATUS_200 = Buffer.of(0x88);

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** HTTP/2 as bytes, for what Node's own server neither shows nor says: frames as they come, and GOAWAY for no stream. */
export class RawService {
  readonly frames: Frame[] = [];
  connections = 0;
  onFrame: (frame: Frame, connection: RawConnection) => void = () => {};
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor() {
    const { key, cert } = certificates;
    this.#server = createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      const connection = new RawConnection(socket);
      connection.write(FRAME.settings, 0, 0);
      let pending = Buffer.alloc(0);
      let skipped = 0;
      socket.on('data', (chunk: Buffer) => {
        const skip = Math.min(PREFACE_BYTES - skipped, chunk.length);
        skipped += skip;
        pending = Buffer.concat([pending, chunk.subarray(skip)]);
        while (pending.length >= HEADER_BYTES) {
          const end = HEADER_BYTES + pending.readUIntBE(0, 3);
          if (pending.length < end) break;
          const frame = {
            type: pending[3] as number,
            flags: pending[4] as number,
            stream: pending.readUInt32BE(5),
            payload: pending.subarray(HEADER_BYTES, end),
          };
          pending = pending.subarray(end);
          this.frames.push(frame);
          if (frame.type === FRAME.settings && !(frame.flags & ACK)) connection.write(FRAME.settings, ACK, 0);
          this.onFrame(frame, connection);
        }
      });
    });
  }

  static async start(): Promise<RawService> {
    const service = new RawService();
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get url(): string {
    return `https://push.test:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export class RawConnection {
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
  }

  write(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUIntBE(payload.length, 0, 3);
    header[3] = type;
    header[4] = flags;
    header.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([header, payload]));
  }

  accept(stream: number): void {
    this.write(FRAME.headers, END_STREAM | END_HEADERS, stream, STATUS_200);
  }

  goaway(lastStream: number, words: string): void {
    const fixed = Buffer.alloc(8);
    fixed.writeUInt32BE(lastStream, 0);
    this.write(FRAME.goaway, 0, 0, Buffer.concat([fixed, Buffer.from(words)]));
  }
}

/** Whether the last frame of a request. */
export function endsRequest({ type, flags }: Frame): boolean {
  return type === FRAME.data && (flags & END_STREAM) !== 0;
}
