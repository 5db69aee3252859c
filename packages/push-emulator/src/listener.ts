import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A server that listens, and everything that is connected to it. */
export interface Listener {
  readonly port: number;
  /** `127.0.0.1:8090`, as it stands in a URL. */
  readonly authority: string;
  close(): Promise<void>;
}

/** Several that belong together: when one cannot listen, none does. */
export class Listeners {
  readonly #host: string;
  readonly #open: Listener[] = [];

  constructor(host: string) {
    this.#host = host;
  }

  /** As `listen`; if that fails, those that listen already are closed. */
  async open(server: Server, port: number, option: string): Promise<Listener> {
    try {
      const listener = await listen(server, port, this.#host, option);
      this.#open.push(listener);
      return listener;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((listener) => listener.close()));
  }
}

/**
 * @param port 0: any that is free
 * @throws when the port is taken, naming it and the option it came from
 */
export async function listen(server: Server, port: number, host: string, option: string): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw new Error(`${option} ${port}: ${message}`);
    throw new Error(
      `${option} ${port}: another program listens there on ${host}; choose another, or 0 for any`,
    );
  }
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    port: boundPort,
    authority: `${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
