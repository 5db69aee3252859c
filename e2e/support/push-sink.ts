import { createECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

/** No types are published for http_ece. */
const ece = createRequire(import.meta.url)('http_ece') as {
  decrypt(body: Buffer, parameters: object): Buffer;
};

/** A push as a browser would have got it. */
export interface SunkPush {
  /** Of the subscription. */
  readonly name: string;
  readonly headers: IncomingHttpHeaders;
  /** When it was answered, by `performance.now()`. */
  readonly at: number;
  readonly payload: { notification: { body: string; data: { text: string; message_id: number } } };
}

export interface PushSink {
  readonly origin: string;
  /** A new subscription under this name, as a browser would give it to its page. */
  subscription(name: string): string;
  /** All pushes so far, in the order of their arrival. */
  readonly pushes: readonly SunkPush[];
  /** The next push that arrives from now on. */
  next(): Promise<SunkPush>;
  close(): void;
}

/** A push service that takes everything at once, and browsers that can read it. */
export async function startPushSink(): Promise<PushSink> {
  const browsers = new Map<string, { name: string; key: ReturnType<typeof createECDH>; auth: Buffer }>();
  const pushes: SunkPush[] = [];
  let waiting: ((push: SunkPush) => void) | undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const browser = browsers.get((request.url ?? '').replace('/push/', ''));
      if (!browser) return response.writeHead(404).end();
      response.writeHead(201, { Location: '/m/1' }).end();
      const at = performance.now();
      const { name, key, auth } = browser;
      const text = ece.decrypt(Buffer.concat(chunks), {
        version: 'aes128gcm',
        privateKey: key,
        authSecret: auth.toString('base64url'),
      });
      const push = { name, at, headers: request.headers, payload: JSON.parse(text.toString()) };
      pushes.push(push);
      waiting?.(push);
      waiting = undefined;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    pushes,
    subscription(name) {
      const key = createECDH('prime256v1');
      const p256dh = key.generateKeys('base64url');
      const auth = randomBytes(16);
      const id = randomBytes(8).toString('hex');
      browsers.set(id, { name, key, auth });
      return JSON.stringify({
        endpoint: `${origin}/push/${id}`,
        keys: { p256dh, auth: auth.toString('base64url') },
      });
    },
    next: () =>
      new Promise((resolve) => {
        waiting = resolve;
      }),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
