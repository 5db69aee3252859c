/** Servers that are measured beside each other, each a process of its own as its makers ship it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCentrifugo } from '../../e2e/support/centrifugo.ts';
import { freePort } from '../../scripts/setup/free-ports.ts';
import { startCarillon } from '../support/carillon.ts';
import { Peer } from '../support/child.ts';
import { API_KEY } from './dialect.ts';
import type { Server } from './messages.ts';

export interface Subject extends Server {
  readonly name: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** The same for both: nobody is asked for a token, and the channel keeps no history. */
const CONFIG = {
  client: { insecure: true, allow_anonymous_connect_without_token: true },
  channel: { without_namespace: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true } },
  log: { level: 'warn' },
};

export async function carillonSubject(): Promise<Subject> {
  const port = await freePort();
  const server = await startCarillon({
    config: {
      ...CONFIG,
      log: { level: 'info' },
      http_server: { address: '127.0.0.1', port },
      http_api: { key: API_KEY },
      database: { enabled: false },
    },
  });
  return { name: 'carillon', pid: server.pid, port, dialect: 'centrifugo', stop: () => server.stop() };
}

export async function centrifugoSubject(): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'centrifugo-bench-'));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify({ ...CONFIG, http_api: { key: API_KEY } }));
  const port = await freePort();
  const server = await startCentrifugo({ file, port });
  return {
    name: 'centrifugo',
    pid: server.pid,
    port,
    dialect: 'centrifugo',
    async stop() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function socketIoSubject(): Promise<Subject> {
  const peer = new Peer('Socket.IO', new URL('./socket-io-process.ts', import.meta.url));
  const { port } = await peer.next<{ type: 'listening'; port: number }>('listening');
  return { name: 'socket.io', pid: peer.pid, port, dialect: 'socket.io', stop: () => peer.stop() };
}
