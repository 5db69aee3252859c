import { request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';

const PATH = '/connection/websocket';
const CONNECT_TIMEOUT_MS = 10_000;

export interface WebSocketProxyOptions {
  readonly server: Server;
  /** Carillon's address. */
  readonly target: string;
  /** GrandChat's own origin, which Carillon lets in. */
  readonly origin: string;
}

/**
 * Passes WebSocket connections on to Carillon, so that browsers need one origin only. After the handshake the two sockets
 * are joined: frames, back-pressure and close codes go through untouched. Pages of other origins are turned away here.
 * @returns cuts all connections: a server does not close while one is open
 */
export function proxyWebSockets({ server, target, origin }: WebSocketProxyOptions): () => void {
  const base = new URL(target);
  const open = new Set<Duplex>();
  const send = base.protocol === 'https:' ? httpsRequest : httpRequest;
  server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on('error', () => client.destroy());
    if ((request.url ?? '').split('?', 1)[0] !== PATH) return refuse(client, '404 Not Found');
    if (!isOwnOrigin(request, origin)) return refuse(client, '403 Forbidden');
    const headers = { ...request.headers, host: base.host };
    if (headers.origin !== undefined) headers.origin = origin;
    // A session is nobody's business behind here.
    delete headers.cookie;
    const upstream = send(new URL(request.url ?? PATH, base), { headers, timeout: CONNECT_TIMEOUT_MS });
    upstream.on('timeout', () => upstream.destroy(new Error('timeout')));
    upstream.on('error', () => refuse(client, '502 Bad Gateway'));
    upstream.on('response', (response) => refuse(client, `${response.statusCode} ${response.statusMessage}`));
    upstream.on('upgrade', (response, socket, rest) => {
      socket.setTimeout(0);
      socket.on('error', () => client.destroy());
      client.on('close', () => socket.destroy());
      socket.on('close', () => client.destroy());
      client.write(handshake(response));
      if (rest.length > 0) client.write(rest);
      if (head.length > 0) socket.write(head);
      open.add(client);
      client.on('close', () => open.delete(client));
      client.pipe(socket).pipe(client);
    });
    upstream.end();
  });
  return () => {
    for (const client of open) client.destroy();
  };
}

function handshake(response: IncomingMessage): string {
  const { rawHeaders } = response;
  let text = 'HTTP/1.1 101 Switching Protocols\r\n';
  for (let index = 0; index < rawHeaders.length; index += 2)
    text += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  return `${text}\r\n`;
}

/** No browser, the configured origin, or the very host that was asked: people may know this server by several names. */
function isOwnOrigin({ headers }: IncomingMessage, own: string): boolean {
  const { origin, host } = headers;
  return origin === undefined || origin === own || URL.parse(origin)?.host === host;
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
