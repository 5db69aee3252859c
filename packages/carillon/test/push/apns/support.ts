import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { ApnsConfig } from '../../../src/config/config.ts';
import type { Target } from '../../../src/push/providers/provider.ts';
import { type Certificates, makeCertificates } from '../webpush/support.ts';

export const certificates: Certificates = makeCertificates();
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
/** The public half of the key in `apnsConfig`. */
export const publicKey = pair.publicKey;
export const privateKeyPem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

export function apnsConfig(overrides: Partial<ApnsConfig> = {}): ApnsConfig {
  return {
    endpoint: 'development',
    bundle_id: 'com.example.app',
    auth_type: 'token',
    token_key_file: '',
    token_key_pem: privateKeyPem,
    token_key_id: 'ABCDE12345',
    token_team_id: 'TEAM123456',
    cert_p12_file: '',
    cert_p12_b64: '',
    cert_p12_password: '',
    tokens_batch_size: 100,
    ...overrides,
  };
}

export function deviceToken(number: number): string {
  return number.toString(16).padStart(64, '0');
}

export function targets(count: number, first = 0): Target[] {
  return Array.from({ length: count }, (_, index) => ({ token: deviceToken(first + index) }));
}

/** A client certificate with its key, as PKCS #12 in base64. */
export function makePkcs12(commonName: string, password: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-p12-'));
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  try {
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-days', '1', '-subj', `/CN=${commonName}`];
    openssl('req', '-x509', ...newKey, ...subject, '-keyout', at('key.pem'), '-out', at('cert.pem'));
    const output = ['-out', at('all.p12'), '-passout', `pass:${password}`];
    openssl('pkcs12', '-export', '-inkey', at('key.pem'), '-in', at('cert.pem'), ...output);
    return readFileSync(at('all.p12')).toString('base64');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface ReceivedPush {
  readonly session: ServerHttp2Session;
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly token: string;
  readonly body: string;
}

/** How a push is answered; what is no answer leaves it without one. */
export type Answer = { status: number; reason?: string; timestamp?: number } | 'silence';

/** APNs on loopback: HTTP/2 over TLS, asking for a client certificate as APNs does. */
export class ApnsService {
  readonly received: ReceivedPush[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  pings = 0;
  /** Streams that were open at once, at most. */
  mostOpen = 0;
  answer: (push: ReceivedPush) => Answer | Promise<Answer> = () => ({ status: 200 });
  readonly #server: Http2SecureServer;
  #open = 0;

  private constructor(server: Http2SecureServer) {
    this.#server = server;
    server.on('session', (session) => {
      session.on('error', () => {});
      session.on('ping', () => {
        this.pings += 1;
      });
      this.sessions.push(session);
    });
    server.on('sessionError', () => {});
    server.on('stream', (stream, headers) => this.#take(stream as ServerHttp2Stream, headers));
  }

  static async start(options: SecureServerOptions = {}): Promise<ApnsService> {
    const { key, cert } = certificates;
    const service = new ApnsService(
      createSecureServer({ key, cert, requestCert: true, rejectUnauthorized: false, ...options }),
    );
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get url(): string {
    return `https://push.test:${(this.#server.address() as AddressInfo).port}`;
  }

  get tokens(): string[] {
    return this.received.map(({ token }) => token);
  }

  /** The common name of the certificate that a session's client showed; undefined without one. */
  clientName(number: number): string | undefined {
    const socket = this.sessions[number]?.socket as unknown as TLSSocket;
    return socket.getPeerCertificate().subject?.CN as string | undefined;
  }

  /** @returns how many sockets the clients had left open, after they had a moment to close them */
  async close(): Promise<number> {
    let left = await this.#connections();
    for (let wait = 0; left > 0 && wait < 200; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      left = await this.#connections();
    }
    for (const session of this.sessions) session.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    return left;
  }

  #connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    this.#open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.#open);
    stream.on('close', () => {
      this.#open -= 1;
    });
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', async () => {
      const push = {
        session: stream.session as ServerHttp2Session,
        stream,
        headers,
        token: String(headers[':path']).split('/').pop() as string,
        body: Buffer.concat(chunks).toString(),
      };
      this.received.push(push);
      const answer = await this.answer(push);
      if (answer === 'silence' || stream.destroyed) return;
      const { status, ...body } = answer;
      stream.respond({ ':status': status, 'apns-id': `ID-${push.token.slice(-4)}` });
      stream.end(body.reason ? JSON.stringify(body) : undefined);
    });
  }
}
