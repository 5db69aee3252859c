import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Config } from '../../config/config.ts';
import { uniJsonCodec } from '../codec/uni-json.ts';
import type { Session } from '../session.ts';
import type { ConnectionRules } from './connection-rules.ts';
import { disconnectPush, queryOf, type Transport } from './transport.ts';
import { COMPRESSION, closeSoon, refusalOf, refuse, upgrade, watch } from './websocket.ts';

export interface UniWebSocketOptions {
  readonly config: Pick<Config, 'uni_websocket'>;
  readonly rules: ConnectionRules;
  readonly open: (transport: Transport, request: IncomingMessage) => Session;
}

/**
 * WebSocket for clients that only listen: the connect request comes as the first frame, or as `cf_connect` in the query;
 * any other frame is ignored. Besides pings that are messages there are those of WebSocket itself, which browsers answer.
 */
export class UniWebSocketTransport {
  readonly #options: UniWebSocketOptions;
  readonly #server: WebSocketServer;

  constructor(options: UniWebSocketOptions) {
    this.#options = options;
    const { uni_websocket } = options.config;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: uni_websocket.message_size_limit,
      perMessageDeflate: uni_websocket.compression && COMPRESSION,
      clientTracking: false,
      handleProtocols: () => false,
    });
  }

  /** Takes an upgrade request. @returns the status it is answered with; undefined when its path is not ours */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, path: string): number | undefined {
    const { config, rules } = this.#options;
    const { uni_websocket } = config;
    if (!uni_websocket.enabled || path !== uni_websocket.handler_prefix) return undefined;
    const query = queryOf(request).get('cf_connect');
    const connect = query ? Buffer.from(query) : undefined;
    const isWrong = connect && !isConnect(connect);
    const refusal = isWrong ? '400 Bad Request' : refusalOf(rules, request);
    if (refusal) return refuse(socket, refusal);
    return upgrade(this.#server, request, socket, head, (connection) =>
      this.#accept(connection, connect, request),
    );
  }

  #accept(connection: WebSocket, connect: Buffer | undefined, request: IncomingMessage): void {
    const { config, open } = this.#options;
    const { join_push_messages, disable_disconnect_push, write_timeout } = config.uni_websocket;
    const transport: Transport = {
      name: 'uni_websocket',
      hasCloseFrames: true,
      codec: uniJsonCodec,
      unidirectional: true,
      writeTimeoutMs: write_timeout,
      write(messages) {
        if (join_push_messages) connection.send(uniJsonCodec.frame(messages));
        else for (const message of messages) connection.send(message);
      },
      buffered: () => connection.bufferedAmount,
      close(code, reason) {
        if (!disable_disconnect_push) connection.send(uniJsonCodec.encode(disconnectPush(code, reason)));
        closeSoon(connection, code, reason, write_timeout);
      },
      ping: () => connection.ping(),
    };
    const session = open(transport, request);
    if (connect) session.receive(connect);
    else connection.once('message', (data) => session.receive(data as Buffer));
    watch(connection, session);
  }
}

function isConnect(bytes: Buffer): boolean {
  try {
    uniJsonCodec.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
