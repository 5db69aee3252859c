import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Config } from '../../config/config.ts';
import type { Codec } from '../codec/codec.ts';
import { jsonCodec } from '../codec/json.ts';
import { protobufCodec } from '../codec/protobuf.ts';
import type { Session } from '../session.ts';
import type { ConnectionRules } from './connection-rules.ts';
import { queryOf, type Transport } from './transport.ts';

export interface WebSocketOptions {
  readonly config: Pick<Config, 'websocket'>;
  readonly rules: ConnectionRules;
  /** Makes the session that a new connection belongs to. */
  readonly open: (transport: Transport, request: IncomingMessage) => Session;
}

/** Each message is packed by itself: a window that lives on would cost a connection some 300 KiB. */
export const COMPRESSION = { serverNoContextTakeover: true, clientNoContextTakeover: true };

const PROTOBUF = 'centrifuge-protobuf';
const SUBPROTOCOLS = [PROTOBUF, 'centrifuge-json'];

/** What ws closes with, by its error; otherwise by 1002. */
const CLOSE_CODES: Readonly<Record<string, number>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
  WS_ERR_INVALID_UTF8: 1007,
};

/** The WebSocket transport: JSON in text frames, Protobuf in binary ones (client-protocol, sections 1 and 2). */
export class WebSocketTransport {
  readonly #options: WebSocketOptions;
  readonly #server: WebSocketServer;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    const { websocket } = options.config;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: websocket.message_size_limit,
      perMessageDeflate: websocket.compression && COMPRESSION,
      clientTracking: false,
      handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    });
  }

  /** Takes an upgrade request. @returns the status it is answered with; undefined when its path is not ours */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, path: string): number | undefined {
    const { config, rules } = this.#options;
    const { websocket } = config;
    if (websocket.disabled || path !== websocket.handler_prefix) return undefined;
    const refusal = refusalOf(rules, request);
    if (refusal) return refuse(socket, refusal);
    return upgrade(this.#server, request, socket, head, (connection) => this.#accept(connection, request));
  }

  #accept(connection: WebSocket, request: IncomingMessage): void {
    const { config, open } = this.#options;
    const query = queryOf(request);
    const codec = codecOf(query, connection.protocol);
    const transport: Transport = {
      name: 'websocket',
      hasCloseFrames: true,
      codec,
      writeTimeoutMs: config.websocket.write_timeout,
      write: (messages) => connection.send(codec.frame(messages)),
      pause: (pause) => (pause ? connection.pause() : connection.resume()),
      buffered: () => connection.bufferedAmount,
      close: (code, reason) => closeSoon(connection, code, reason, config.websocket.write_timeout),
      // For debugging tools, which know nothing of pings that are messages.
      ...(query.get('cf_ws_frame_ping_pong') === 'true' && { ping: () => connection.ping() }),
    };
    const session = open(transport, request);
    connection.on('message', (data) => session.receive(data as Buffer));
    watch(connection, session);
  }
}

/** The status for who must not connect: a page of a foreign origin, or one too many. */
export function refusalOf(rules: ConnectionRules, request: IncomingMessage): string | undefined {
  if (!rules.allowsOrigin(request.headers.origin)) return '403 Forbidden';
  return rules.admits() ? undefined : '503 Service Unavailable';
}

/** Answers with a status such as `403 Forbidden`, and gives back its number. */
export function refuse(socket: Duplex, status: string): number {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  return Number.parseInt(status, 10);
}

/** @returns the status: 101, or 400 when ws has refused the handshake */
export function upgrade(
  server: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  accept: (connection: WebSocket) => void,
): number {
  let status = 400;
  server.handleUpgrade(request, socket, head, (connection) => {
    status = 101;
    accept(connection);
  });
  return status;
}

/** Tells a session of what happens to its connection. */
export function watch(connection: WebSocket, session: Session): void {
  connection.on('pong', () => {
    if (!session.hasMessagePings) session.onPong();
  });
  connection.on('close', () => session.onTransportClosed());
  // ws has closed with the right code by then (1009 for a frame over the limit, 1007 for wrong UTF-8).
  connection.on('error', (error: Error & { code?: string }) => {
    const code = error.code?.startsWith('WS_ERR_') && (CLOSE_CODES[error.code] ?? 1002);
    if (code && session.state !== 'closed') session.countCloseFrame(code);
    session.onTransportClosed();
  });
}

/** Sends the close frame, and cuts the line when the peer does not answer it. */
export function closeSoon(connection: WebSocket, code: number, reason: string, timeoutMs: number): void {
  connection.close(code, reason);
  const timer = setTimeout(() => connection.terminate(), timeoutMs);
  timer.unref();
  connection.once('close', () => clearTimeout(timer));
}

/** Protobuf by subprotocol, or by query for clients that cannot offer one; JSON otherwise. */
function codecOf(query: URLSearchParams, subprotocol: string): Codec {
  const isProtobuf =
    subprotocol === PROTOBUF || query.get('format') === 'protobuf' || query.get('cf_protocol') === 'protobuf';
  return isProtobuf ? protobufCodec : jsonCodec;
}
