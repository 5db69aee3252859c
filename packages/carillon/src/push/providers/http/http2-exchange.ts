import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
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
 * The stream carries its exchange, so that all streams share four listeners: closures for each were a third of what a
 * request leaves to the garbage collector besides Node's own objects.
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
    stream.on('response', onResponse as (headers: IncomingHttpHeaders) => void);
    stream.on('data', onData as (chunk: Buffer) => void);
    stream.on('error', onError as (error: Error) => void);
    stream.on('close', onClose as () => void);
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

function onResponse(this: Carrier, headers: IncomingHttpHeaders): void {
  this[EXCHANGE]?.begin(headers);
}

function onData(this: Carrier, chunk: Buffer): void {
  this[EXCHANGE]?.read(chunk);
}

function onError(this: Carrier, error: Error): void {
  this[EXCHANGE]?.fail(error);
}

function onClose(this: Carrier): void {
  this[EXCHANGE]?.end();
}
