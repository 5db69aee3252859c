import { execFileSync } from 'node:child_process';
import { createECDH, type ECDH, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createSecureServer, type SecureServerOptions, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo, LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WebPushConfig } from '../../../src/config/config.ts';
import type { ProviderSetup } from '../../../src/push/providers/index.ts';
import type { Outcome, Provider, Target } from '../../../src/push/providers/provider.ts';
import { generateVapidKeys } from '../../../src/push/providers/webpush/index.ts';

/** No types are published for http_ece. */
const httpEce = createRequire(import.meta.url)('http_ece') as {
  decrypt(body: Buffer, params: { version: string; privateKey: ECDH; authSecret: string }): Buffer;
};

const vapidKeys = generateVapidKeys();

export function webPushConfig(overrides: Partial<WebPushConfig> = {}): WebPushConfig {
  return {
    vapid_public_key: vapidKeys.publicKey,
    vapid_private_key: vapidKeys.privateKey,
    previous_vapid_keys: [],
    subject: 'mailto:ops@example.com',
    tokens_batch_size: 100,
    allowed_endpoint_origins: [],
    extra_allowed_endpoint_origins: [],
    insecure_endpoint_origins: [],
    emulator_address: '',
    ...overrides,
  };
}

/** The default app's web push, as a sender pool takes it. */
export function webPushSetup(config: WebPushConfig): ProviderSetup {
  return { provider: 'webpush', lane: 'webpush', section: 'webpush', config };
}

/** A browser's side of a subscription. */
export class Browser {
  readonly keyPair = createECDH('prime256v1');
  readonly auth = randomBytes(16);

  constructor() {
    this.keyPair.generateKeys();
  }

  get keys(): { p256dh: string; auth: string } {
    return { p256dh: this.keyPair.getPublicKey('base64url'), auth: this.auth.toString('base64url') };
  }

  target(endpoint: string): Target {
    return { token: endpoint, keys: this.keys };
  }

  /** By `http_ece`, which nobody here wrote. */
  decrypt(body: Buffer): Buffer {
    return httpEce.decrypt(body, {
      version: 'aes128gcm',
      privateKey: this.keyPair,
      authSecret: this.auth.toString('base64url'),
    });
  }
}

export interface ReceivedPush {
  readonly httpVersion: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** The response may be an `Http2ServerResponse`, which has the same shape for all that is used here. */
type Answer = (push: ReceivedPush, response: ServerResponse) => void;

/** A push service on loopback: plain HTTP/1.1, or HTTPS with HTTP/2 and, when allowed, HTTP/1.1. */
export class PushService {
  readonly received: ReceivedPush[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  connections = 0;
  /** Connections that are open now. */
  open = 0;
  answer: Answer = (_push, response) => {
    response.writeHead(201, { location: 'https://push.test/m/id-1' });
    response.end();
  };
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on('error', () => {});
      response.on('error', () => {});
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const push = {
          httpVersion: request.httpVersion,
          path: request.url!,
          headers: request.headers,
          body: Buffer.concat(chunks),
        };
        this.received.push(push);
        this.answer(push, response);
      });
    });
    server.on('connection', (socket) => {
      this.connections += 1;
      this.open += 1;
      socket.once('close', () => {
        this.open -= 1;
      });
    });
    server.on('session', (session: ServerHttp2Session) => {
      session.on('error', () => {});
      this.sessions.push(session);
    });
    server.on('sessionError', () => {});
  }

  static async startPlain(): Promise<PushService> {
    return PushService.#listen(createServer());
  }

  static async startSecure(options: SecureServerOptions): Promise<PushService> {
    return PushService.#listen(createSecureServer(options) as unknown as Server);
  }

  static async startSecureHttp1(options: Certificates): Promise<PushService> {
    return PushService.#listen(createHttpsServer({ key: options.key, cert: options.cert }));
  }

  static async #listen(server: Server): Promise<PushService> {
    const service = new PushService(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    this.#server.closeAllConnections?.();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Sends to all targets and gives the outcomes back by index; fails when one is reported twice. */
export async function sendAll(
  provider: Provider,
  targets: readonly Target[],
  message: Readonly<Record<string, unknown>> = { payload: { text: 'hello' } },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  await provider.send({ targets, message }, (outcome) => {
    if (outcomes[outcome.index]) throw new Error(`target ${outcome.index} was reported twice`);
    outcomes[outcome.index] = outcome;
  });
  return outcomes;
}

/** A `lookup` with given answers: one list of addresses a call, the last one again and again. */
export function stubLookup(...answers: string[][]): LookupFunction & { calls: number } {
  const lookup = ((_hostname, options, callback) => {
    const addresses = answers[Math.min(lookup.calls, answers.length - 1)]!;
    lookup.calls += 1;
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    process.nextTick(() => {
      if (options.all) callback(null, found);
      else callback(null, found[0]!.address, found[0]!.family);
    });
  }) as LookupFunction & { calls: number };
  lookup.calls = 0;
  return lookup;
}

export interface Certificates {
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

/** A certificate for `push.test` and `localhost` by a CA of its own, good for a day. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-ca-'));
  const at = (name: string) => join(folder, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  try {
    writeFileSync(at('san.cnf'), 'subjectAltName=DNS:push.test,DNS:localhost,IP:127.0.0.1\n');
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
      '-days',
      '1',
      '-subj',
      '/CN=Test CA',
    );
    openssl('req', ...newKey, '-keyout', at('key.pem'), '-out', at('csr.pem'), '-subj', '/CN=push.test');
    openssl(
      ...[
        'x509',
        '-req',
        '-in',
        at('csr.pem'),
        '-CA',
        at('ca.pem'),
        '-CAkey',
        at('ca.key'),
        '-CAcreateserial',
      ],
      ...['-days', '1', '-extfile', at('san.cnf'), '-out', at('cert.pem')],
    );
    const read = (name: string) => readFileSync(at(name), 'utf8');
    return { ca: read('ca.pem'), key: read('key.pem'), cert: read('cert.pem') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Waits for a condition that an event elsewhere brings about. */
export async function until(condition: () => boolean, what: string, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
