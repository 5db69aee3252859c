import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server } from 'node:tls';
import type { KeyAndCertificate } from '../certificates/authority.ts';
import type { SinkService } from './answers.ts';
import { Http2Connection } from './http2-connection.ts';

export interface FrontOptions {
  readonly identity: KeyAndCertificate;
  /** Streams that may be open on one connection at once. */
  readonly maxStreams: number;
  find(path: string): SinkService;
  /** Told of each answer that was given. */
  onAnswer?(): void;
}

/** A server that takes requests over HTTP/2 or HTTP/1.1 with TLS and answers each at once. It does not listen yet. */
export function createFront({ identity, maxStreams, find, onAnswer = () => {} }: FrontOptions): Server {
  const answerHttp1 = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    await once(request, 'end').catch(() => {});
    const path = request.url ?? '';
    const { status, headers, body } = find(path).answer(path, Buffer.concat(chunks).toString('latin1'));
    onAnswer();
    response.writeHead(status, { ...headers, 'content-length': body?.length ?? 0 }).end(body);
  };
  const http1 = createServer((request, response) => void answerHttp1(request, response));
  const server = createTlsServer({ ...identity, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    if (socket.alpnProtocol === 'h2') {
      socket.setNoDelay(true);
      new Http2Connection(socket, { maxStreams, find, onAnswer });
    } else {
      http1.emit('connection', socket);
    }
  });
  server.on('tlsClientError', () => {});
  return server;
}
