import { Agent, type IncomingMessage, request as sendRequest } from 'node:http';
import type { Socket } from 'node:net';
import { ResponseReader } from './response-reader.ts';
import {
  type Connection,
  type HttpRequest,
  type OnResult,
  openSocket,
  TransportError,
  type TransportOptions,
} from './transport.ts';

/** Sockets of one origin: each carries one request at a time. */
const MAX_SOCKETS = 16;

/** Keep-alive sockets of an origin that speaks HTTP/1.1 only. It is never retired: each socket stands for itself. */
export class Http1Connection implements Connection {
  readonly capacity = MAX_SOCKETS;
  readonly #origin: URL;
  readonly #agent: Agent;
  readonly #options: TransportOptions;
  readonly #closing = new AbortController();
  /** Until a request takes it. */
  #firstSocket: Socket | undefined;
  #usable = true;
  #proven = false;
  #latencyMs = Number.POSITIVE_INFINITY;

  /** @param firstSocket the one on which HTTP/1.1 was agreed, used for the first request */
  constructor(origin: URL, options: TransportOptions, firstSocket?: Socket) {
    this.#origin = origin;
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_SOCKETS });
    this.#firstSocket = firstSocket;
    // While it waits, the service may reset it.
    firstSocket?.on('error', () => {});
    this.#agent.createConnection = (_options, callback) => {
      const socket = this.#firstSocket;
      this.#firstSocket = undefined;
      if (socket && !socket.destroyed) return socket;
      openSocket(origin, ['http/1.1'], options, this.#closing.signal).then(
        (opened) => callback?.(null, opened),
        (error) => callback?.(error, undefined as never),
      );
      return undefined;
    };
  }

  get usable(): boolean {
    return this.#usable;
  }

  get proven(): boolean {
    return this.#proven;
  }

  get worn(): boolean {
    return false;
  }

  get latencyMs(): number {
    return this.#latencyMs;
  }

  request(request: HttpRequest, onResult: OnResult, onFree: () => void): void {
    const { requestTimeoutMs, keptBytes, ignoresSuccessBody } = this.#options;
    let reader: ResponseReader | undefined;
    let failure: Error | undefined;
    const outgoing = sendRequest({
      agent: this.#agent,
      method: 'POST',
      path: request.path,
      headers: ['host', this.#origin.host, ...request.headers],
      setDefaultHeaders: false,
    });
    const startedAt = performance.now();
    const timer = setTimeout(() => {
      outgoing.destroy(new TransportError('timeout', `no answer within ${requestTimeoutMs} ms`));
    }, requestTimeoutMs);

    outgoing.on('response', (incoming: IncomingMessage) => {
      this.#proven = true;
      this.#latencyMs = performance.now() - startedAt;
      reader = new ResponseReader(incoming.statusCode ?? 0, incoming.headers, keptBytes);
      if (ignoresSuccessBody && reader.isSuccess) onResult(reader.response());
      incoming.on('data', (chunk: Buffer) => {
        if (!reader?.add(chunk)) outgoing.destroy();
      });
      incoming.on('error', () => {});
    });
    outgoing.on('error', (error) => {
      failure = error;
    });
    outgoing.on('close', () => {
      clearTimeout(timer);
      if (!reader) onResult(lost(failure, outgoing.reusedSocket));
      else if (!ignoresSuccessBody || !reader.isSuccess) onResult(reader.response());
      onFree();
    });
    outgoing.end(request.body, 'latin1');
  }

  /** The sockets stand for themselves: none is the worse for what another one was told. */
  retire(): void {}

  destroy(): void {
    this.#usable = false;
    this.#closing.abort();
    this.#firstSocket?.destroy();
    this.#agent.destroy();
  }
}

function lost(cause: Error | undefined, reusedSocket: boolean): TransportError {
  if (cause instanceof TransportError) return cause;
  // The service closed an idle socket while the request was on its way: it did not read it.
  const unprocessed = reusedSocket && (cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET';
  const message = cause?.message ?? 'the service closed the connection without an answer';
  return new TransportError('connection_lost', message, { unprocessed, cause });
}
