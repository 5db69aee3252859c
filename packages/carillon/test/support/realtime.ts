import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Centrifuge, type Options } from 'centrifuge';
import { SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { resolveConfig } from '../../src/config/load.ts';
import type { Logger } from '../../src/logger.ts';
import type { Engine } from '../../src/realtime/engine.ts';
import type { Publication } from '../../src/realtime/publication.ts';
import { createRealtime, type Realtime } from '../../src/realtime/realtime.ts';

export const SECRET = 'a secret for tests';
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Namespaces that the tests use: `news` with history and recovery, `open` for everybody, `plain` with nothing, and one each
 * for deltas, recovery of the newest publication, and filters.
 */
const CONFIG = {
  client: { token: { hmac_secret_key: SECRET }, allowed_origins: ['http://localhost:*'] },
  channel: {
    namespaces: [
      {
        name: 'news',
        history_size: 300,
        history_ttl: '60s',
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_history_for_subscriber: true,
      },
      {
        name: 'open',
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_presence_for_subscriber: true,
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
      },
      { name: 'plain' },
      {
        name: 'delta',
        history_size: 300,
        history_ttl: '60s',
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_history_for_subscriber: true,
        allowed_delta_types: ['fossil'],
        delta_publish: true,
      },
      {
        name: 'cache',
        history_size: 10,
        history_ttl: '60s',
        force_recovery: true,
        force_recovery_mode: 'cache',
        auto_cache_recover: true,
        allow_subscribe_for_client: true,
      },
      {
        name: 'tagged',
        history_size: 10,
        history_ttl: '60s',
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_tags_filter: true,
        allowed_delta_types: ['fossil'],
      },
    ],
  },
};

export interface RealtimeServer {
  readonly realtime: Realtime;
  readonly url: string;
  /** Cuts every TCP connection, without a goodbye. */
  cutConnections(): void;
  /** The server's address for other transports than WebSocket. */
  readonly origin: string;
  publish(channel: string, data: unknown, rest?: Partial<Publication>): Promise<void>;
  close(): Promise<void>;
}

/**
 * Real time behind a bare HTTP server. `client` is laid over the configuration's section, namespaces are added, other
 * sections are as given.
 */
export async function startRealtime({
  client = {},
  namespaces = [],
  engine,
  logger = silent,
  channel = {},
  ...sections
}: {
  client?: object;
  namespaces?: object[];
  engine?: Engine;
  logger?: Logger;
  channel?: object;
  [section: string]: object | undefined;
} = {}): Promise<RealtimeServer> {
  const { config } = resolveConfig({
    ...CONFIG,
    ...sections,
    client: { ...CONFIG.client, ...client },
    channel: { namespaces: [...CONFIG.channel.namespaces, ...namespaces], ...channel },
  });
  const realtime = createRealtime({
    config,
    logger,
    nodeName: 'test',
    version: '1.0.0 test',
    ...(engine && { engine }),
  });
  const server = createServer();
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket, head) => {
    if (!realtime.handleUpgrade(request, socket, head)) socket.destroy();
  });
  server.on('request', (request, response) => {
    if (!realtime.handleRequest(request, response)) response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    realtime,
    url: `ws://${host}/connection/websocket`,
    origin: `http://${host}`,
    cutConnections() {
      for (const socket of sockets) socket.destroy();
    },
    async publish(name, data, rest = {}) {
      const channel = realtime.channels.find(name);
      if (!channel) throw new Error(`no channel ${name}`);
      const { RawJson } = await import('../../src/realtime/payload.ts');
      await realtime.publisher.publish(channel, { ...rest, data: RawJson.of(data) });
    },
    async close() {
      await realtime.close();
      await stop(server, sockets);
    },
  };
}

async function stop(server: Server, sockets: Set<Socket>): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}

export function token(claims: Record<string, unknown>, secret = SECRET): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
}

export async function connectClient(url: string, options: Partial<Options> = {}): Promise<Centrifuge> {
  const client = new Centrifuge(url, {
    websocket: WebSocket,
    token: await token({ sub: '42' }),
    minReconnectDelay: 10,
    maxReconnectDelay: 50,
    ...options,
  });
  client.connect();
  await client.ready(5_000);
  return client;
}

/** A client that speaks the protocol by hand, for what the official one would never send. */
export class RawClient {
  readonly socket: WebSocket;
  /** What the server has agreed to, of WebSocket's extensions. */
  extensions = '';
  readonly #messages: Record<string, unknown>[] = [];
  readonly #closed: Promise<{ code: number; reason: string }>;
  #wake: () => void = () => {};

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, { headers });
    this.#closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.socket.on('message', (data) => {
      for (const line of data.toString().split('\n')) this.#messages.push(JSON.parse(line));
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('upgrade', (answer) => {
      this.extensions = answer.headers['sec-websocket-extensions'] ?? '';
    });
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<RawClient> {
    const client = new RawClient(url, headers);
    await once(client.socket, 'open');
    return client;
  }

  /** Opens and connects with a token for user 42. */
  static async connected(url: string, claims: Record<string, unknown> = { sub: '42' }): Promise<RawClient> {
    const client = await RawClient.open(url);
    client.send({ id: 1, connect: { token: await token(claims) } });
    await client.next();
    return client;
  }

  send(...commands: object[]): void {
    this.sendText(commands.map((command) => JSON.stringify(command)).join('\n'));
  }

  sendText(frame: string): void {
    this.socket.send(frame);
  }

  /** The next message, waiting for it if need be. */
  async next(): Promise<Record<string, unknown>> {
    while (this.#messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift() as Record<string, unknown>;
  }

  /** Code and reason with which the server closed. */
  closed(): Promise<{ code: number; reason: string }> {
    return this.#closed;
  }
}
