import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;
const PING = 6;
const ACK = 1;

/**
 * Stands between TLS and HTTP/2, for what Node's HTTP/2 does not let one do: leave a PING unanswered, or go silent altogether
 * (frames: RFC 9113, section 4.1).
 */
export class FrameGate extends Duplex {
  /** For `http2`: what is behind it is TLS. */
  readonly encrypted = true;
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

  constructor(socket: TLSSocket) {
    super();
    this.#socket = socket;
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
    while (rest.length > 0) {
      if (this.#preface > 0) {
        const part = rest.subarray(0, this.#preface);
        this.#preface -= part.length;
        rest = rest.subarray(part.length);
        yield part;
      } else if (this.#left > 0) {
        const part = rest.subarray(0, this.#left);
        this.#left -= part.length;
        rest = rest.subarray(part.length);
        if (!this.#isDropping) yield part;
      } else {
        const part = rest.subarray(0, HEADER_BYTES - this.#header.length);
        this.#header = Buffer.concat([this.#header, part]);
        rest = rest.subarray(part.length);
        if (this.#header.length < HEADER_BYTES) return;
        const header = this.#header;
        this.#header = Buffer.alloc(0);
        this.#left = header.readUIntBE(0, 3);
        this.#isDropping = this.dropsPings && header[3] === PING && (header[4]! & ACK) === 0;
        if (!this.#isDropping) yield header;
      }
    }
  }
}
