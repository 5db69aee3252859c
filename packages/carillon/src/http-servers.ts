import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createHttpApi, type HttpApiOptions } from './api/http.ts';
import type { Config } from './config/config.ts';

export interface HttpServersOptions extends Omit<HttpApiOptions, 'config'> {
  readonly config: Config;
  /** Takes WebSocket handshakes and gives back the status; undefined for a path that is none of its. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => number | undefined;
}

export interface HttpServers {
  readonly port: number;
  /** Where server API, health and metrics are, when that is not `port`. */
  readonly internalPort: number | undefined;
  close(): Promise<void>;
}

/**
 * Listens for HTTP. With `http_server.internal_port` there are two servers: clients connect to the one, and server API (unless
 * `http_api.external`), health and metrics are at the other alone.
 * @throws in words when a port is in use
 */
export async function startHttpServers({
  config,
  upgrade,
  ...options
}: HttpServersOptions): Promise<HttpServers> {
  const { http_server: where, http_api, health, prometheus } = config;
  const isParted = where.internal_port !== '';
  const app = createHttpApi({
    ...options,
    config: isParted
      ? {
          http_api: { ...http_api, disabled: http_api.disabled || !http_api.external },
          health: { ...health, enabled: false },
          prometheus: { ...prometheus, enabled: false },
        }
      : config,
  });
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const status = upgrade?.(request, socket, head);
    if (!status) socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    const path = status ? (request.url ?? '').split('?', 1)[0] || '/' : '/';
    options.countRequest?.(path, request.method ?? 'GET', status ?? 404);
  });
  const port = await listen(app, where.address, where.port, 'port');
  if (!isParted) return { port, internalPort: undefined, close: () => app.close() };
  const { connections: _, ...inside } = options;
  const internal = createHttpApi({
    ...inside,
    config: { ...config, http_api: { ...http_api, disabled: http_api.disabled || http_api.external } },
  });
  try {
    const address = where.internal_address || where.address;
    const internalPort = await listen(internal, address, Number(where.internal_port), 'internal_port');
    return {
      port,
      internalPort,
      async close() {
        await Promise.all([app.close(), internal.close()]);
      },
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}

async function listen(
  app: ReturnType<typeof createHttpApi>,
  address: string,
  port: number,
  option: 'port' | 'internal_port',
): Promise<number> {
  try {
    await app.listen({ port, host: address || '0.0.0.0' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(
      `port ${port} is in use by another program: stop it, or set http_server.${option} (CARILLON_HTTP_SERVER_${option.toUpperCase()})`,
    );
  }
  const bound = app.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}
