import type { Duplex } from 'node:stream';
import type { SinkAnswer, SinkService } from './answers.ts';
import {
  ACK,
  type AnswerFrames,
  COMPRESSION_ERROR,
  CONTINUATION,
  ConnectionError,
  DATA,
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  frame,
  framesOf,
  GOAWAY,
  HEADER_BYTES,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  PING,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  REFUSED_STREAM,
  RST_STREAM,
  SETTINGS,
  unpadded,
  WINDOW_UPDATE,
  windowUpdate,
} from './frames.ts';
import { HpackDecoder } from './hpack.ts';
import { Output } from './output.ts';

export interface Http2ConnectionOptions {
  /** Streams that may be open at once. */
  readonly maxStreams: number;
  find(path: string): SinkService;
  /** Told of each answer that was given. */
  onAnswer(): void;
}

interface Stream {
  readonly path: string;
  readonly service: SinkService;
  body: string;
  /** Of the body, since the client was last told that there is room. */
  unacknowledged: number;
}

/** A header block that has begun. */
interface OpenBlock {
  readonly id: number;
  /** Whether the request ends with it. */
  readonly isEnd: boolean;
  readonly parts: Buffer[];
  size: number;
}

/** An answer's body that waits until the client has room for it. */
interface Waiting {
  readonly id: number;
  readonly body: Buffer;
  window: number;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const MAX_FRAME = 16_384;
const MAX_BLOCK = 65_536;
const MAX_BODY = 8_388_608;
/** What a client may send before it is told that there is more room. */
const WINDOW = 1_048_576;
const DEFAULT_WINDOW = 65_535;
const MAX_WAITING = 10_000;

/**
 * The server's side of one HTTP/2 connection (RFC 9113), as far as a sink needs it, which is a third of the CPU of
 * `node:http2`: all that comes in one read is answered by one write, headers other than `:path` are not kept, and
 * answers are made once.
 *
 * It is in its *preface* until the client's is there, then reads frames; a header block that goes on in further frames
 * allows no other between them. What breaks the rules ends the connection with GOAWAY. `:scheme` may be anything, as at
 * Google's front end: `firebase-admin` sends `https:`.
 */
export class Http2Connection {
  readonly #socket: Duplex;
  readonly #options: Http2ConnectionOptions;
  readonly #hpack = new HpackDecoder();
  readonly #streams = new Map<number, Stream>();
  readonly #waiting: Waiting[] = [];
  readonly #frames = new WeakMap<SinkAnswer, AnswerFrames>();
  #input: Buffer = Buffer.alloc(0);
  readonly #output = new Output();
  #hasPreface = false;
  #lastId = 0;
  /** A header block that has not ended. */
  #open: OpenBlock | undefined;
  /** What this side may still send. */
  #window = DEFAULT_WINDOW;
  #streamWindow = DEFAULT_WINDOW;
  #unacknowledged = 0;

  constructor(socket: Duplex, options: Http2ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => socket.end());
    socket.on('error', () => socket.destroy());
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(MAX_CONCURRENT_STREAMS, 0);
    settings.writeUInt32BE(options.maxStreams, 2);
    settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 6);
    settings.writeUInt32BE(WINDOW, 8);
    this.#output.add(frame(SETTINGS, 0, 0, settings));
    this.#output.add(windowUpdate(0, WINDOW - DEFAULT_WINDOW));
    this.#flush();
  }

  #receive(chunk: Buffer): void {
    this.#input = this.#input.length > 0 ? Buffer.concat([this.#input, chunk]) : chunk;
    try {
      this.#read();
      this.#flush();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      const details = Buffer.alloc(8);
      details.writeUInt32BE(this.#lastId, 0);
      details.writeUInt32BE(error.code, 4);
      this.#output.add(frame(GOAWAY, 0, 0, Buffer.concat([details, Buffer.from(error.message)])));
      this.#flush();
      this.#socket.removeAllListeners('data').resume().end();
    }
  }

  #read(): void {
    const input = this.#input;
    let at = 0;
    if (!this.#hasPreface) {
      const length = Math.min(input.length, PREFACE.length);
      if (input.compare(PREFACE, 0, length, 0, length) !== 0)
        throw new ConnectionError(PROTOCOL_ERROR, 'no preface');
      if (length < PREFACE.length) return;
      this.#hasPreface = true;
      at = length;
    }
    while (input.length - at >= HEADER_BYTES) {
      const length = input.readUIntBE(at, 3);
      if (length > MAX_FRAME) throw new ConnectionError(FRAME_SIZE_ERROR, `a frame of ${length} bytes`);
      const start = at + HEADER_BYTES;
      if (input.length - start < length) break;
      const id = input.readUInt32BE(at + 5) & 0x7f_ff_ff_ff;
      this.#take(input[at + 3] as number, input[at + 4] as number, id, input.subarray(start, start + length));
      at = start + length;
    }
    this.#input = at > 0 ? input.subarray(at) : input;
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#open ? type !== CONTINUATION || id !== this.#open.id : type === CONTINUATION)
      throw new ConnectionError(PROTOCOL_ERROR, 'a header block is not in one piece');
    switch (type) {
      case DATA:
        this.#data(flags, id, payload);
        return;
      case HEADERS:
        this.#headers(flags, id, payload);
        return;
      case CONTINUATION:
        this.#block(flags, payload);
        return;
      case RST_STREAM:
        this.#streams.delete(id);
        return;
      case SETTINGS:
        this.#settings(flags, payload);
        return;
      case PING:
        if (payload.length !== 8) throw new ConnectionError(FRAME_SIZE_ERROR, 'a PING of another size');
        if (!(flags & ACK)) this.#output.add(frame(PING, ACK, 0, payload));
        return;
      case WINDOW_UPDATE:
        this.#roomFor(id, payload);
        return;
      case PUSH_PROMISE:
        throw new ConnectionError(PROTOCOL_ERROR, 'clients promise nothing');
    }
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    let block = unpadded(flags, payload);
    if (flags & PRIORITY) block = block.subarray(5);
    const isEnd = (flags & END_STREAM) !== 0;
    const isTrailer = this.#streams.has(id);
    if (!isTrailer && (id % 2 === 0 || id <= this.#lastId))
      throw new ConnectionError(PROTOCOL_ERROR, `stream ${id} is not new`);
    this.#lastId = Math.max(this.#lastId, id);
    this.#open = { id, isEnd, parts: [], size: 0 };
    this.#block(flags, block);
  }

  #block(flags: number, part: Buffer): void {
    const open = this.#open as OpenBlock;
    open.parts.push(part);
    open.size += part.length;
    if (open.size > MAX_BLOCK) throw new ConnectionError(ENHANCE_YOUR_CALM, `headers of ${open.size} bytes`);
    if (!(flags & END_HEADERS)) return;
    this.#open = undefined;
    const path = this.#pathOf(open.parts.length === 1 ? part : Buffer.concat(open.parts));
    const known = this.#streams.get(open.id);
    if (known) {
      this.#end(open.id, known);
      return;
    }
    if (this.#streams.size >= this.#options.maxStreams) {
      const code = Buffer.alloc(4);
      code.writeUInt32BE(REFUSED_STREAM);
      this.#output.add(frame(RST_STREAM, 0, open.id, code));
      return;
    }
    const stream = { path, service: this.#options.find(path), body: '', unacknowledged: 0 };
    this.#streams.set(open.id, stream);
    if (open.isEnd) this.#end(open.id, stream);
  }

  #pathOf(block: Buffer): string {
    try {
      return this.#hpack.pathOf(block);
    } catch (error) {
      throw new ConnectionError(COMPRESSION_ERROR, (error as Error).message);
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    this.#unacknowledged += payload.length;
    if (this.#unacknowledged > WINDOW / 2) {
      this.#output.add(windowUpdate(0, this.#unacknowledged));
      this.#unacknowledged = 0;
    }
    const stream = this.#streams.get(id);
    // One that was refused or reset.
    if (!stream) return;
    if (stream.service.needsBody) {
      const part = unpadded(flags, payload);
      if (stream.body.length + part.length > MAX_BODY)
        throw new ConnectionError(ENHANCE_YOUR_CALM, `a body of more than ${MAX_BODY} bytes`);
      stream.body += part.toString('latin1');
    }
    if (flags & END_STREAM) {
      this.#end(id, stream);
      return;
    }
    stream.unacknowledged += payload.length;
    if (stream.unacknowledged > WINDOW / 2) {
      this.#output.add(windowUpdate(id, stream.unacknowledged));
      stream.unacknowledged = 0;
    }
  }

  #end(id: number, stream: Stream): void {
    this.#streams.delete(id);
    const answer = stream.service.answer(stream.path, stream.body);
    // What a Map has let go of may stay in tables that it has outgrown.
    stream.body = '';
    let frames = this.#frames.get(answer);
    if (!frames) {
      frames = framesOf(answer);
      this.#frames.set(answer, frames);
    }
    const { body } = answer;
    if (!body || (this.#waiting.length === 0 && body.length <= Math.min(this.#window, this.#streamWindow))) {
      this.#window -= body?.length ?? 0;
      this.#output.addFor(id, frames.both, frames.dataAt);
    } else {
      this.#output.addFor(id, frames.both.subarray(0, frames.dataAt), 0);
      this.#send({ id, body, window: this.#streamWindow });
    }
    this.#options.onAnswer();
  }

  #send(waiting: Waiting): void {
    const { id, body, window } = waiting;
    if (this.#waiting.length === 0 && body.length <= this.#window && body.length <= window) {
      this.#window -= body.length;
      this.#output.add(frame(DATA, END_STREAM, id, body));
    } else if (this.#waiting.push(waiting) > MAX_WAITING) {
      throw new ConnectionError(ENHANCE_YOUR_CALM, 'too many answers wait for room');
    }
  }

  #settings(flags: number, payload: Buffer): void {
    if (flags & ACK) return;
    if (payload.length % 6 !== 0) throw new ConnectionError(FRAME_SIZE_ERROR, 'SETTINGS of another size');
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const window = payload.readUInt32BE(at + 2);
      for (const waiting of this.#waiting) waiting.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#output.add(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    this.#sendWaiting();
  }

  #roomFor(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(FRAME_SIZE_ERROR, 'a WINDOW_UPDATE of another size');
    const more = payload.readUInt32BE(0) & 0x7f_ff_ff_ff;
    if (id === 0) {
      this.#window += more;
      if (this.#window >= 2 ** 31) throw new ConnectionError(FLOW_CONTROL_ERROR, 'more room than there is');
    } else {
      for (const waiting of this.#waiting) if (waiting.id === id) waiting.window += more;
    }
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    for (const waiting of this.#waiting.splice(0)) this.#send(waiting);
  }

  #flush(): void {
    const bytes = this.#output.take();
    if (!bytes || this.#socket.destroyed) return;
    const hasRoom = this.#socket.write(bytes);
    // A client that reads no answers is not read from.
    if (!hasRoom) {
      this.#socket.pause();
      this.#socket.once('drain', () => this.#socket.resume());
    }
  }
}
