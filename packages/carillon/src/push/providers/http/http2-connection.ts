import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  sensitiveHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';
import { Deadlines } from './deadlines.ts';
import { fullCollections } from './full-collections.ts';
import { Exchange, type ExchangeOwner } from './http2-exchange.ts';
import { Latency } from './latency.ts';
import {
  type Connection,
  type ConnectionEvents,
  type HeaderList,
  type HttpRequest,
  type OnResult,
  TransportError,
  type TransportOptions,
} from './transport.ts';

const DEFAULT_MAX_STREAMS = 200;
const DEFAULT_WORN_AFTER = 20_000;
const MAX_GOAWAY_WORDS = 200;
/** Our lists name each header once; to look for a second takes as long as to write them. The types do not know it yet. */
const UNCHECKED: object = { strictSingleValueFields: false };

/**
 * One HTTP/2 session. It takes requests once the peer's settings are known, and is retired by GOAWAY, by an error, or
 * when a request times out and no other had an answer since: a peer that went silent without closing. For some services
 * a single request without an answer is enough. A retired session lets the requests under way end; its pool then
 * destroys it. One that is unused may be asked for a sign of life.
 *
 * It is worn once V8 has collected all garbage after many requests. Node keeps a session's streams in a `Map`, and V8 makes
 * it a new table after every few dozen of them. Tables that were outgrown hold their last streams and the next table; a
 * full collection moves the present one to where only the next full collection looks. From then on each table keeps
 * the next, and thereby all streams that are over, until that time; a new session has a new `Map`.
 */
export class Http2Connection implements Connection {
  readonly #pseudoHeaders: readonly string[];
  #lastHeaders: { readonly path: string; readonly headers: HeaderList; readonly list: string[] } | undefined;
  readonly #session: ClientHttp2Session;
  readonly #events: ConnectionEvents;
  readonly #options: TransportOptions;
  readonly #deadlines: Deadlines;
  #usable = true;
  #lastAnswerAt = 0;
  readonly #latency = new Latency();
  #lastRequestAt = 0;
  #requests = 0;
  readonly #collectionsBefore = fullCollections();
  #pinger: NodeJS.Timeout | undefined;
  /** What the peer said with its GOAWAY; APNs names a reason. */
  #goawayWords = '';
  /** Streams above it were not looked at by the peer (RFC 9113 §6.8). */
  #lastProcessedStream = Number.POSITIVE_INFINITY;
  readonly #owner: ExchangeOwner = {
    answered: (exchange) => {
      this.#lastAnswerAt = performance.now();
      this.#latency.note(exchange.startedAt, this.#lastAnswerAt);
    },
    expired: (exchange) => {
      if (this.#options.replacesAfterTimeout || this.#lastAnswerAt < exchange.startedAt) this.retire();
    },
    ended: (exchange) => this.#deadlines.remove(exchange),
    reasonOf: (stream, cause) => this.#lost(stream, cause),
  };

  private constructor(
    origin: URL,
    session: ClientHttp2Session,
    events: ConnectionEvents,
    options: TransportOptions,
  ) {
    this.#pseudoHeaders = [
      ':method',
      'POST',
      ':scheme',
      origin.protocol.slice(0, -1),
      ':authority',
      origin.host,
    ];
    this.#session = session;
    this.#events = events;
    this.#options = options;
    this.#deadlines = new Deadlines(options.requestTimeoutMs);
    session.on('remoteSettings', () => events.changed());
    session.on('goaway', (_code, lastStreamId, data) => {
      this.#lastProcessedStream = lastStreamId ?? 0;
      this.#goawayWords = data ? Buffer.from(data).toString('utf8').slice(0, MAX_GOAWAY_WORDS) : '';
      this.retire();
    });
    session.on('error', () => this.retire());
    session.on('close', () => this.retire());
    const { pingIntervalMs } = options;
    if (pingIntervalMs !== undefined) {
      this.#pinger = setInterval(() => this.#pingIfUnused(pingIntervalMs), pingIntervalMs);
      this.#pinger.unref();
    }
  }

  /** Starts a session on a socket that agreed on `h2`. Rejects with `TransportError` when no settings come in time. */
  static open(
    origin: URL,
    socket: Socket,
    events: ConnectionEvents,
    options: TransportOptions,
  ): Promise<Http2Connection> {
    return new Promise((resolve, reject) => {
      const session = connect(origin, {
        createConnection: () => socket,
        settings: { enablePush: false },
        ...UNCHECKED,
      });
      const fail = (cause?: Error): void => {
        clearTimeout(timer);
        session.on('error', () => {});
        session.destroy();
        reject(
          new TransportError('connect_failed', cause?.message ?? 'no HTTP/2 settings from the service', {
            cause,
          }),
        );
      };
      const closed = (): void => fail();
      const timer = setTimeout(closed, options.connectTimeoutMs);
      session.once('error', fail);
      session.once('close', closed);
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        session.off('error', fail);
        session.off('close', closed);
        resolve(new Http2Connection(origin, session, events, options));
      });
    });
  }

  get capacity(): number {
    const own = this.#options.maxStreams ?? DEFAULT_MAX_STREAMS;
    return Math.min(this.#session.remoteSettings?.maxConcurrentStreams ?? own, own);
  }

  get usable(): boolean {
    return this.#usable;
  }

  get proven(): boolean {
    return this.#lastAnswerAt > 0;
  }

  get worn(): boolean {
    const after = this.#options.wornAfterRequests ?? DEFAULT_WORN_AFTER;
    return this.#requests >= after && fullCollections() > this.#collectionsBefore;
  }

  get latencyMs(): number {
    return this.#latency.at(performance.now(), this.#deadlines.oldestStart);
  }

  get goawayWords(): string {
    return this.#goawayWords;
  }

  request(request: HttpRequest, onResult: OnResult, onFree: () => void): void {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(this.#headersOf(request));
    } catch (cause) {
      this.retire();
      onResult(new TransportError('connection_lost', 'the session was closed', { unprocessed: true, cause }));
      onFree();
      return;
    }
    const startedAt = performance.now();
    this.#lastRequestAt = startedAt;
    this.#requests += 1;
    const exchange = new Exchange(stream, startedAt, this.#options, this.#owner, onResult, onFree);
    this.#deadlines.add(exchange);
    stream.end(request.body, 'latin1');
  }

  retire(): void {
    if (!this.#usable) return;
    this.#usable = false;
    clearInterval(this.#pinger);
    this.#events.retired();
  }

  destroy(): void {
    this.#usable = false;
    clearInterval(this.#pinger);
    this.#session.destroy();
  }

  #lost(stream: ClientHttp2Stream, cause: Error | undefined): TransportError {
    const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
    // A stream without an id never left this machine: the session is over, or its 2^30 ids are used up.
    if (stream.id === undefined) this.retire();
    const unprocessed = refused || stream.id === undefined || stream.id > this.#lastProcessedStream;
    const message = this.#goawayWords
      ? `the service ended the session: ${this.#goawayWords}`
      : (cause?.message ?? 'the service closed the stream without an answer');
    return new TransportError('connection_lost', message, {
      unprocessed,
      goawayWords: this.#goawayWords,
      cause,
    });
  }

  /** Requests to one path often have the same headers; Node leaves the list as it is. */
  #headersOf({ path, headers, sensitiveHeaders: sensitive }: HttpRequest): string[] {
    const last = this.#lastHeaders;
    if (last?.path === path && last.headers === headers) return last.list;
    const list = [...this.#pseudoHeaders, ':path', path, ...headers];
    if (sensitive) Object.assign(list, { [sensitiveHeaders]: sensitive });
    this.#lastHeaders = { path, headers, list };
    return list;
  }

  /** Keeps the ways between open, and finds out in time when the peer is gone. */
  #pingIfUnused(intervalMs: number): void {
    if (performance.now() - this.#lastRequestAt < intervalMs) return;
    const timer = setTimeout(() => this.retire(), this.#options.connectTimeoutMs);
    timer.unref();
    try {
      this.#session.ping((error) => {
        clearTimeout(timer);
        if (error) this.retire();
      });
    } catch {
      clearTimeout(timer);
      this.retire();
    }
  }
}
