import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { KeyAndCertificate } from '../certificates/authority.ts';
import { FrameGate } from '../frame-gate.ts';
import type { Request, Response } from '../http.ts';
import type { ApnsConnections, Connection } from './connections.ts';
import type { ApnsCredentials } from './credentials.ts';

export interface ApnsListenerOptions {
  /** `ca` is the authority that client certificates are to be of, PEM. */
  readonly identity: KeyAndCertificate & { readonly ca: string };
  readonly credentials: ApnsCredentials;
  readonly connections: ApnsConnections;
  readonly onRequest: (request: Request, response: Response) => void;
}

/**
 * A TLS server that speaks HTTP/2 alone, as APNs does: it asks for a client certificate and does without, and its first SETTINGS
 * are those that were observed, but for the streams (vendors.md 2.1).
 */
export function createApnsListener(options: ApnsListenerOptions): TlsServer {
  const { identity, credentials, connections, onRequest } = options;
  const http2 = createHttp2Server();
  http2.on('request', onRequest);
  http2.on('sessionError', () => {});

  const server = createTlsServer({
    ...identity,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy();
      return;
    }
    const gate = new FrameGate(socket);
    const certificate = certificateOf(socket, credentials);
    const maxConcurrentStreams = connections.firstStreams(certificate);
    http2.updateSettings({ maxConcurrentStreams, maxHeaderListSize: 8000 });
    // Node makes the session, and tells of it, before `emit` returns.
    http2.once('session', (session: ServerHttp2Session) => connections.add(session, gate, certificate));
    http2.emit('connection', gate);
  });
  server.on('tlsClientError', () => {});
  return server;
}

function certificateOf(socket: TLSSocket, credentials: ApnsCredentials): Connection['certificate'] {
  const { fingerprint256 } = socket.getPeerCertificate();
  if (!fingerprint256) return undefined;
  return (socket.authorized ? credentials.certificate(fingerprint256) : undefined) ?? 'bad';
}
