import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { Session } from '../session.ts';
import { ConnectionRules } from './connection-rules.ts';
import { Emulation, type EmulationOptions } from './emulation.ts';
import { answer } from './http.ts';
import { StreamTransport } from './stream.ts';
import type { Transport } from './transport.ts';
import { UniWebSocketTransport } from './uni-websocket.ts';
import { WebSocketTransport } from './websocket.ts';

export type TransportsConfig = Pick<
  Config,
  | 'client'
  | 'websocket'
  | 'http_stream'
  | 'sse'
  | 'emulation'
  | 'uni_websocket'
  | 'uni_http_stream'
  | 'uni_sse'
>;

export interface TransportsOptions {
  readonly config: TransportsConfig;
  readonly logger: Logger;
  /** Makes the session that a new connection belongs to. */
  readonly open: (transport: Transport, request: IncomingMessage) => Session;
  readonly connections: () => number;
  readonly emulate: EmulationOptions['emulate'];
}

interface Endpoint {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** All ways in which clients connect, by path. */
export class Transports {
  readonly #logger: Logger;
  readonly #websocket: WebSocketTransport;
  readonly #uniWebSocket: UniWebSocketTransport;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor({ config, logger, open, connections, emulate }: TransportsOptions) {
    this.#logger = logger;
    const rules = new ConnectionRules(config.client, connections);
    this.#websocket = new WebSocketTransport({ config, rules, open });
    this.#uniWebSocket = new UniWebSocketTransport({ config, rules, open });
    for (const name of ['http_stream', 'sse', 'uni_http_stream', 'uni_sse'] as const) {
      const { enabled, handler_prefix, max_request_body_size: maxBodySize } = config[name];
      if (enabled)
        this.#endpoints.set(handler_prefix, new StreamTransport({ name, maxBodySize, rules, open }));
    }
    if (config.http_stream.enabled || config.sse.enabled) {
      const { handler_prefix, max_request_body_size: maxBodySize } = config.emulation;
      this.#endpoints.set(handler_prefix, new Emulation({ maxBodySize, rules, emulate }));
    }
  }

  /** Paths whose requests `handleRequest` takes. */
  get paths(): string[] {
    return [...this.#endpoints.keys()];
  }

  /** Takes an upgrade request. @returns the status it is answered with; undefined when its path is not ours */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): number | undefined {
    // It may go away before it is answered.
    socket.on('error', () => socket.destroy());
    const path = pathOf(request);
    return (
      this.#websocket.handleUpgrade(request, socket, head, path) ??
      this.#uniWebSocket.handleUpgrade(request, socket, head, path)
    );
  }

  /** Takes a request; false when its path is not ours. */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const endpoint = this.#endpoints.get(pathOf(request));
    if (!endpoint) return false;
    endpoint.handle(request, response).catch((error) => {
      // Who goes away while the body is read needs no answer.
      if (request.destroyed && !request.complete) return;
      this.#logger.error({ err: error }, 'a request to connect failed');
      if (response.headersSent) response.destroy();
      else answer(request, response, 500);
    });
    return true;
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}
