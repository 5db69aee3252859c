import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { Duplex } from 'node:stream';
import { Deadline } from './deadlines.ts';
import { type HttpResponse, ResponseReader } from './response-reader.ts';
import { type OnResult, TransportError, type TransportOptions } from './transport.ts';

/** What a connection has to know of its exchanges. */
export interface ExchangeOwner {
  /** The answer began. */
  answered(exchange: Exchange): void;
  /** There was no whole answer in time. */
  expired(exchange: Exchange): void;
  /** Its stream is closed. */
  ended(exchange: Exchange): void;
  /** Why a stream was closed without an answer. */
  reasonOf(stream: ClientHttp2Stream, cause: Error | undefined): TransportError;
}

const EXCHANGE = Symbol('exchange');
type Carrier = ClientHttp2Stream & { [EXCHANGE]: Exchange | undefined };

/**
 * One request on an HTTP/2 stream and its answer. Waiting: nothing has come. Answering: the headers are there and the
 * body is being read. Known: the result was handed on, by the end of the body, by headers that are enough, by the
 * deadline, or by the loss of the stream. Free: the stream is closed.
 *
 * The stream carries its exchange and hands it what comes by an `emit` and a `push` that all streams share. Listeners, and
 * what Node does so that a reader may come late and read slowly, would cost a twentieth of a request. Nothing is buffered,
 * so the stream is said to have nothing to be read, and Node lets go of it as soon as it is closed.
 */
export class Exchange extends Deadline {
  readonly startedAt: number;
  readonly #stream: ClientHttp2Stream;
  readonly #options: TransportOptions;
  readonly #owner: ExchangeOwner;
  readonly #onFree: () => void;
  /** Until the result is known. */
  #onResult: OnResult | undefined;
  #reader: ResponseReader | undefined;
  #failure: Error | undefined;

  /**
   * @param startedAt by `performance.now()`
   * @param onResult called once
   * @param onFree called once, after `onResult`
   */
  constructor(
    stream: ClientHttp2Stream,
    startedAt: number,
    options: TransportOptions,
    owner: ExchangeOwner,
    onResult: OnResult,
    onFree: () => void,
  ) {
    super();
    this.#stream = stream;
    this.startedAt = startedAt;
    this.#options = options;
    this.#owner = owner;
    this.#onResult = onResult;
    this.#onFree = onFree;
    (stream as Carrier)[EXCHANGE] = this;
    stream.emit = emitToExchange;
    stream.push = pushToExchange;
    stream.readable = false;
    // Has Node begin to push.
    stream.read(0);
  }

  expire(): void {
    this.#owner.expired(this);
    // What began to arrive says enough.
    const words = `no answer within ${this.#options.requestTimeoutMs} ms`;
    this.#know(this.#reader?.response() ?? new TransportError('timeout', words));
    this.#stream.destroy();
  }

  begin(headers: IncomingHttpHeaders & { ':status'?: number }): void {
    const { keptBytes, ignoresSuccessBody } = this.#options;
    this.#owner.answered(this);
    this.#reader = new ResponseReader(headers[':status'] ?? 0, headers, keptBytes);
    if (ignoresSuccessBody && this.#reader.isSuccess) this.#know(this.#reader.response());
  }

  read(chunk: Buffer): void {
    if (!this.#reader?.add(chunk)) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  fail(error: Error): void {
    this.#failure = error;
  }

  end(): void {
    (this.#stream as Carrier)[EXCHANGE] = undefined;
    this.#owner.ended(this);
    if (this.#onResult) {
      this.#know(this.#reader?.response() ?? this.#owner.reasonOf(this.#stream, this.#failure));
    }
    this.#onFree();
  }

  #know(result: HttpResponse | TransportError): void {
    const onResult = this.#onResult;
    this.#onResult = undefined;
    onResult?.(result);
  }
}

function emitToExchange(this: ClientHttp2Stream, name: string | symbol, ...args: unknown[]): boolean {
  const exchange = (this as Carrier)[EXCHANGE];
  switch (name) {
    case 'response':
      exchange?.begin(args[0] as IncomingHttpHeaders);
      return true;
    case 'error':
      exchange?.fail(args[0] as Error);
      return true;
    case 'close':
      exchange?.end();
      return true;
    default:
      return Duplex.prototype.emit.call(this, name, ...args);
  }
}

/** @param chunk null at the end, after which the stream is closed */
function pushToExchange(this: ClientHttp2Stream, chunk: Buffer | null): boolean {
  if (chunk) (this as Carrier)[EXCHANGE]?.read(chunk);
  return true;
}
