import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { handleControl } from './control.ts';
import { Faults } from './faults.ts';
import { Journal, type PushRecord } from './journal.ts';
import { serveConnection } from './mozilla/connection.ts';
import { createEndpoint } from './mozilla/endpoint.ts';
import { Mailbox } from './mozilla/mailbox.ts';
import { Registry } from './mozilla/registry.ts';

const WAIT_MS = 10_000;
const MAX_FRAME_BYTES = 64 * 1024;

export interface EmulatorOptions {
  /** 0, the default: any that is free. */
  readonly port?: number;
  /** 127.0.0.1 when absent. */
  readonly host?: string;
  /** Milliseconds since the epoch; for tests of what takes days. */
  readonly now?: () => number;
}

export interface SubscriptionInfo {
  readonly endpoint: string;
  readonly uaid: string;
  readonly channelId: string;
  readonly key?: string;
  /** Milliseconds since the epoch, as `goneAt`. */
  readonly createdAt: number;
  readonly goneAt?: number;
  readonly goneCode?: number;
  /** Whether the browser is connected. */
  readonly isOnline: boolean;
}

export interface PushEmulator {
  /** Origin of the endpoints, e.g. `http://127.0.0.1:8090`. */
  readonly url: string;
  /** For Firefox's `dom.push.serverURL`. */
  readonly wsUrl: string;
  readonly faults: Faults;
  /** Every push so far, the refused too, oldest first. */
  messages(): PushRecord[];
  forgetMessages(): void;
  subscriptions(): SubscriptionInfo[];
  /** Resolves with the first push, past or to come, that fits; rejects after `timeoutMs` (10 000). */
  waitFor(predicate: (record: PushRecord) => boolean, options?: { timeoutMs?: number }): Promise<PushRecord>;
  onChange(listener: (record: PushRecord) => void): void;
  /** Cuts the browsers' sockets; they come back by themselves. */
  disconnect(): void;
  /** Forgets every browser, as a service that lost its data would, and cuts the sockets: subscriptions are lost. */
  loseSubscriptions(): void;
  close(): Promise<void>;
}

/** Starts a stand-in for Mozilla's push service: the browsers' WebSocket, the senders' endpoints, the remote control. */
export async function startPushEmulator(options: EmulatorOptions = {}): Promise<PushEmulator> {
  const { port = 0, host = '127.0.0.1', now = Date.now } = options;
  const closing = new AbortController();
  const journal = new Journal();
  const faults = new Faults();
  const server = createServer();
  server.listen(port, host);
  await once(server, 'listening');
  const { port: boundPort } = server.address() as AddressInfo;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
  const url = `http://${authority}`;
  const origin = () => url;

  const registry = new Registry({ origin, now });
  const mailbox = new Mailbox({ journal, now });
  const sockets = new WebSocketServer({ server, maxPayload: MAX_FRAME_BYTES });
  sockets.on('connection', (socket) => serveConnection(socket, { registry, mailbox }));

  const endpoint = createEndpoint({
    registry,
    mailbox,
    journal,
    faults,
    origin,
    now,
    closing: closing.signal,
  });
  server.on('request', async (request, response) => {
    const path = URL.parse(request.url ?? '', url)?.pathname ?? '';
    try {
      if (path.startsWith('/control/')) await handleControl(emulator, path, request, response);
      else if (!(await endpoint(path, request, response))) response.writeHead(404).end();
    } catch {
      // The sender broke off in the middle of its request.
      response.destroy();
    }
  });

  const disconnect = () => {
    for (const socket of sockets.clients) socket.terminate();
  };
  const emulator: PushEmulator = {
    url,
    wsUrl: `ws://${authority}/`,
    faults,
    messages: () => journal.all(),
    forgetMessages: () => journal.clear(),
    subscriptions: () =>
      registry.subscriptions().map(({ token: _, agent, pending: __, ...rest }) => ({
        ...rest,
        uaid: agent.uaid,
        isOnline: agent.deliver !== undefined,
      })),
    waitFor: (predicate, { timeoutMs = WAIT_MS } = {}) => journal.waitFor(predicate, timeoutMs),
    onChange: (listener) => journal.onChange(listener),
    disconnect,
    loseSubscriptions() {
      mailbox.gone(registry.forgetAgents());
      disconnect();
    },
    async close() {
      closing.abort();
      disconnect();
      sockets.close();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return emulator;
}
