import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;
const MAX_HELD_BYTES = 16_384;
const HEADERS = 1;
const PING = 6;
const ACK = 1;
/** `https:` and `httpsx` in HPACK: the length in Huffman's code, then the code (RFC 7541, section 5.2). */
const SCHEME_WITH_COLON = Buffer.from('859d29ad173f', 'hex');
const SCHEME_WITH_LETTER = Buffer.from('859d29ad1e7f', 'hex');

/**
 * Stands between TLS and Node's HTTP/2 server, for what that does not let one do (frames: RFC 9113, section 4.1).
 *
 * It takes requests whose `:scheme` is `https:`, as Google's front end does, and as `firebase-admin` sends them; Node refuses them as
 * malformed. The colon becomes a letter of the same length, so that both sides' header tables keep the same size. On request it
 * leaves PINGs unanswered, or goes silent altogether.
 */
export class FrameGate extends Duplex {
  /** For `http2`: what is behind it is TLS, and its client speaks HTTP/2. */
  readonly encrypted = true;
  readonly alpnProtocol = 'h2';
  /** PINGs that come are lost. */
  dropsPings = false;
  readonly #socket: TLSSocket;
  #isFrozen = false;
  /** Bytes of the client's preface that are still to come; then frames begin. */
  #preface = PREFACE_BYTES;
  /** What has come of a frame's header. */
  #header = Buffer.alloc(0);
  /** Bytes that the present frame still has. */
  #left = 0;
  #isDropping = false;
  /** What has come of a HEADERS frame, which goes on as a whole. */
  #held: Buffer[] | undefined;

  constructor(socket: TLSSocket) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      if (this.#isFrozen) return;
      for (const part of this.#pass(chunk)) if (!this.push(part)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** From now on nothing comes or goes. */
  freeze(): void {
    this.#isFrozen = true;
    this.#socket.resume();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#isFrozen) done();
    else this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#isFrozen) this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#isFrozen) this.#socket.destroy();
    done(error);
  }

  /** The parts of a chunk that go on. */
  *#pass(chunk: Buffer): Generator<Buffer> {
    let rest = chunk;
    const take = (length: number) => {
      const part = rest.subarray(0, length);
      rest = rest.subarray(part.length);
      return part;
    };
    while (rest.length > 0) {
      if (this.#preface > 0) {
        const part = take(this.#preface);
        this.#preface -= part.length;
        yield part;
      } else if (this.#left > 0) {
        const part = take(this.#left);
        this.#left -= part.length;
        if (this.#held) this.#held.push(part);
        else if (!this.#isDropping) yield part;
        if (this.#held && this.#left === 0) yield this.#release(this.#held);
      } else {
        this.#header = Buffer.concat([this.#header, take(HEADER_BYTES - this.#header.length)]);
        if (this.#header.length === HEADER_BYTES) yield* this.#begin(this.#header);
      }
    }
  }

  *#begin(header: Buffer): Generator<Buffer> {
    this.#header = Buffer.alloc(0);
    this.#left = header.readUIntBE(0, 3);
    this.#isDropping = this.dropsPings && header[3] === PING && (header[4]! & ACK) === 0;
    if (this.#isDropping) return;
    yield header;
    if (header[3] === HEADERS && this.#left > 0 && this.#left <= MAX_HELD_BYTES) this.#held = [];
  }

  #release(held: readonly Buffer[]): Buffer {
    this.#held = undefined;
    const block = Buffer.concat(held);
    const at = block.indexOf(SCHEME_WITH_COLON);
    if (at >= 0) SCHEME_WITH_LETTER.copy(block, at);
    return block;
  }
}

/** Puts a gate behind each HTTP/2 connection of a `node:http2` secure server. */
export function gateConnections(server: {
  listeners(event: 'secureConnection'): unknown[];
  removeAllListeners(event: 'secureConnection'): unknown;
  on(event: 'secureConnection', listener: (socket: TLSSocket) => void): unknown;
}): void {
  const listeners = server.listeners('secureConnection') as ((socket: TLSSocket | FrameGate) => void)[];
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket) => {
    const connection = socket.alpnProtocol === 'h2' ? new FrameGate(socket) : socket;
    for (const listener of listeners) listener.call(server, connection);
  });
}
