import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { BlockedAddressError } from './addresses.ts';
import type { HttpResponse } from './response-reader.ts';

/** Names in lower case, each followed by its value: the form that costs both versions of HTTP least. */
export type HeaderList = readonly string[];

/** One POST; the origin belongs to the connection. */
export interface HttpRequest {
  /** Path and query. */
  readonly path: string;
  /** `content-length` included, for not every service takes chunked bodies. */
  readonly headers: HeaderList;
  /** Bytes, or a text of ASCII alone. */
  readonly body: Buffer | string;
  /** Names, `:path` included, that HTTP/2 must not put in the tables of header compression. */
  readonly sensitiveHeaders?: readonly string[];
}

/** How the connections of an origin are made and how long they may take. */
export interface TransportOptions {
  /** Root certificates in place of Node's own (PEM). */
  readonly ca?: string | Buffer | undefined;
  /** A client certificate with its key (PKCS #12). */
  readonly certificate?: { readonly pfx: Buffer; readonly passphrase: string } | undefined;
  /** Where to connect in place of the origin's own host and port; the certificate is still the origin's. */
  readonly connectTo?: { readonly host: string; readonly port: number } | undefined;
  /** Resolves names; guarded where the origin is not the operator's own choice. */
  readonly lookup: LookupFunction;
  /** DNS, TCP, TLS and the first HTTP/2 settings together. */
  readonly connectTimeoutMs: number;
  /** From the start of a request to the end of its answer. */
  readonly requestTimeoutMs: number;
  /** A connection with nothing under way is closed after this long. */
  readonly idleTimeoutMs: number;
  /** Requests after which an HTTP/2 connection may be worn. Default 20 000. */
  readonly wornAfterRequests?: number;
  /** Connections to the origin at once. Default 6. */
  readonly maxConnections?: number;
  /** Our own ceiling on streams of an HTTP/2 session, whatever the peer allows. Default 200. */
  readonly maxStreams?: number;
  /** HTTP/2 without ALPN where the origin is plain http, for services that speak nothing else. Default false. */
  readonly http2Only?: boolean;
  /** An HTTP/2 session that is unused for this long is asked for a sign of life. Default: never. */
  readonly pingIntervalMs?: number;
  /**
   * Whether a request without an answer costs its HTTP/2 session, even if others were answered since. Default false: only
   * a session that answers nobody is given up.
   */
  readonly replacesAfterTimeout?: boolean;
  /**
   * For services that take quick reconnects for an attack: the pause after a failed connect doubles up to this, and
   * connections that end without having answered anything are followed by it, too, but for the first. Default: 1 s, and
   * after failed connects only.
   */
  readonly maxConnectPauseMs?: number;
  /** Bytes of an answer's body that are kept. Default 2 KiB. */
  readonly keptBytes?: number;
  /** Whether a success is complete without its body, as soon as its headers are there. Default false. */
  readonly ignoresSuccessBody?: boolean;
}

/**
 * Told what became of a request. A callback, not a promise: several layers hand each push's answer on, and promises
 * through all of them were a tenth of what an FCM push cost.
 */
export type OnResult = (result: HttpResponse | TransportError) => void;

/** One or several sockets to one origin that share a limit on requests under way. */
export interface Connection {
  /** Requests that may be under way at once; the peer may change it. */
  readonly capacity: number;
  /** False when it takes no new requests: the peer said so, or it broke. */
  readonly usable: boolean;
  /** Whether the service has answered anything on it yet. */
  readonly proven: boolean;
  /** How soon it answers lately; infinite before the first answer. */
  readonly latencyMs: number;
  /** It works, but another one in its place would cost less. */
  readonly worn: boolean;
  /**
   * Sends one request. `onResult` is called once; then `onFree`, once, when the request no longer counts against
   * `capacity`, which may be later.
   */
  request(request: HttpRequest, onResult: OnResult, onFree: () => void): void;
  /** Lets the requests under way end, and takes no new ones. */
  retire(): void;
  /** Breaks the requests under way. */
  destroy(): void;
}

/** What a connection tells its pool. */
export interface ConnectionEvents {
  /** `capacity` has changed. */
  changed(): void;
  /** It takes no new requests any more. */
  retired(): void;
}

/** No answer was had. `code` is a short stable word such as `timeout`. */
export class TransportError extends Error {
  readonly code: string;
  /** The service has certainly not acted on the request, so sending it again at once cannot double the push. */
  readonly unprocessed: boolean;
  /** What the service said when it ended the session; empty when it said nothing. */
  readonly goawayWords: string;

  constructor(
    code: string,
    message: string,
    options: { unprocessed?: boolean; goawayWords?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'TransportError';
    this.code = code;
    this.unprocessed = options.unprocessed ?? false;
    this.goawayWords = options.goawayWords ?? '';
  }
}

/**
 * For those who would rather wait: rejects with `TransportError`.
 * @param send sends, and passes the callback on
 */
export function answerTo(send: (onResult: OnResult) => void): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    send((result) => {
      if (result instanceof TransportError) reject(result);
      else resolve(result);
    });
  });
}

/** Headers as requests take them; names in lower case. */
export function headerList(headers: Readonly<Record<string, string>>): HeaderList {
  return Object.entries(headers).flat();
}

/** Why a request did not go out although nothing was wrong with it. */
export function closedError(): TransportError {
  return new TransportError('closed', 'the sender is closing', { unprocessed: true });
}

/**
 * Opens a socket to `origin`; with https, one of `protocols` is agreed on by ALPN. Rejects with `TransportError`, with
 * `closed` when the signal comes first.
 */
export function openSocket(
  origin: URL,
  protocols: readonly string[],
  options: TransportOptions,
  signal: AbortSignal,
): Promise<Socket | TLSSocket> {
  if (signal.aborted) return Promise.reject(closedError());
  return new Promise((resolve, reject) => {
    const secure = origin.protocol === 'https:';
    const name = origin.hostname.replace(/^\[|\]$/g, '');
    const { host, port } = options.connectTo ?? {
      host: name,
      port: Number(origin.port) || (secure ? 443 : 80),
    };
    const { lookup } = options;
    const socket = secure
      ? connectTls({
          host,
          port,
          lookup,
          ...(options.ca === undefined ? {} : { ca: options.ca }),
          ...options.certificate,
          ...(isIP(name) ? {} : { servername: name }),
          ALPNProtocols: [...protocols],
        })
      : connectTcp({ host, port, lookup, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy(
        new TransportError('connect_timeout', `no connection within ${options.connectTimeoutMs} ms`),
      );
    }, options.connectTimeoutMs);
    signal.addEventListener('abort', abort);
    socket.once('error', fail);
    socket.once('close', closed);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      release();
      resolve(socket);
    });

    function abort(): void {
      socket.destroy(closedError());
    }
    function closed(): void {
      fail(new Error('connection closed before it was ready'));
    }
    function fail(cause: Error): void {
      release();
      // A late second error of a socket that is given up has nobody left to care.
      socket.on('error', () => {});
      reject(connectError(cause));
    }
    function release(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
      socket.off('close', closed);
    }
  });
}

function connectError(cause: Error): TransportError {
  if (cause instanceof TransportError) return cause;
  if (cause instanceof BlockedAddressError)
    return new TransportError('address_blocked', cause.message, { cause });
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new TransportError('dns_error', cause.message, { cause });
  return new TransportError('connect_failed', cause.message || code || 'no connection', { cause });
}
