import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import picomatch from 'picomatch';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Config } from '../config/config.ts';
import type { Codec } from './codec/codec.ts';
import { jsonCodec } from './codec/json.ts';
import { protobufCodec } from './codec/protobuf.ts';
import type { Session } from './session.ts';
import type { Transport } from './transport.ts';

export interface WebSocketOptions {
  readonly config: Pick<Config, 'client' | 'websocket'>;
  /** Makes the session that a new connection belongs to. */
  readonly open: (transport: Transport) => Session;
  readonly connections: () => number;
}

const PROTOBUF = 'centrifuge-protobuf';
const SUBPROTOCOLS = [PROTOBUF, 'centrifuge-json'];

/** The WebSocket transport: JSON in text frames, Protobuf in binary ones (client-protocol, sections 1 and 2). */
export class WebSocketTransport {
  readonly #options: WebSocketOptions;
  readonly #server: WebSocketServer;
  readonly #allowsOrigin: (origin: string | undefined) => boolean;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    const { websocket, client } = options.config;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: websocket.message_size_limit,
      perMessageDeflate: websocket.compression,
      clientTracking: false,
      handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    });
    this.#allowsOrigin = originMatcher(client.allowed_origins);
  }

  /** Takes an upgrade request; false when its path is not ours. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const { websocket, client } = this.#options.config;
    const path = (request.url ?? '').split('?', 1)[0];
    if (websocket.disabled || path !== websocket.handler_prefix) return false;
    if (!this.#allowsOrigin(request.headers.origin)) {
      refuse(socket, '403 Forbidden');
    } else if (client.connection_limit > 0 && this.#options.connections() >= client.connection_limit) {
      refuse(socket, '503 Service Unavailable');
    } else {
      this.#server.handleUpgrade(request, socket, head, (connection) =>
        this.#accept(connection, codecOf(request, connection.protocol)),
      );
    }
    return true;
  }

  #accept(connection: WebSocket, codec: Codec): void {
    const session = this.#options.open({
      name: 'websocket',
      codec,
      write: (messages) => connection.send(codec.frame(messages)),
      buffered: () => connection.bufferedAmount,
      close: (code, reason) =>
        closeSoon(connection, code, reason, this.#options.config.websocket.write_timeout),
    });
    connection.on('message', (data) => session.receive(data as Buffer));
    connection.on('close', () => session.onTransportClosed());
    // ws has closed with the right code by then (1009 for a frame over the limit, 1007 for wrong UTF-8).
    connection.on('error', () => session.onTransportClosed());
  }
}

/** Protobuf by subprotocol, or by query for clients that cannot offer one; JSON otherwise. */
function codecOf(request: IncomingMessage, subprotocol: string): Codec {
  const query = new URLSearchParams((request.url ?? '').split('?')[1]);
  const isProtobuf =
    subprotocol === PROTOBUF || query.get('format') === 'protobuf' || query.get('cf_protocol') === 'protobuf';
  return isProtobuf ? protobufCodec : jsonCodec;
}

/** Sends the close frame, and cuts the line when the peer does not answer it. */
function closeSoon(connection: WebSocket, code: number, reason: string, timeoutMs: number): void {
  connection.close(code, reason);
  const timer = setTimeout(() => connection.terminate(), timeoutMs);
  timer.unref();
  connection.once('close', () => clearTimeout(timer));
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** No Origin header: not a browser, allowed. Otherwise one of the globs must match the lower-cased origin. */
function originMatcher(patterns: readonly string[]): (origin: string | undefined) => boolean {
  // An origin's slashes are no path separators: `*` must match across them.
  const flat = (text: string) => text.toLowerCase().replaceAll('/', '\u0001');
  const matchers = patterns.map((pattern) => picomatch(flat(pattern), { dot: true }));
  return (origin) => !origin || matchers.some((matches) => matches(flat(origin)));
}
