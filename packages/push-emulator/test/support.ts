import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import webPush from 'web-push';
import { WebSocket } from 'ws';
import type { PushEmulator } from '../src/index.ts';

type Message = Record<string, unknown>;

/** Speaks Firefox's side of the protocol over a bare socket. Acknowledges nothing by itself. */
export class FakeFirefox {
  readonly socket: WebSocket;
  /** Messages that nobody has taken yet. */
  readonly #inbox: Message[] = [];
  #wake = () => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      this.#inbox.push(JSON.parse(String(data)));
      this.#wake();
    });
    socket.on('error', () => {});
  }

  static async connect(emulator: PushEmulator): Promise<FakeFirefox> {
    const socket = new WebSocket(emulator.wsUrl, 'push-notification');
    const firefox = new FakeFirefox(socket);
    await once(socket, 'open');
    return firefox;
  }

  /** Connects and says hello; gives the browser and the uaid that the service answered with. */
  static async hello(emulator: PushEmulator, uaid?: string): Promise<{ firefox: FakeFirefox; uaid: string }> {
    const firefox = await FakeFirefox.connect(emulator);
    const answer = await firefox.ask({
      messageType: 'hello',
      broadcasts: {},
      use_webpush: true,
      ...(uaid !== undefined && { uaid }),
    });
    return { firefox, uaid: String(answer.uaid) };
  }

  send(message: Message | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  async next(): Promise<Message> {
    while (this.#inbox.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    return this.#inbox.shift()!;
  }

  async ask(message: Message): Promise<Message> {
    this.send(message);
    return this.next();
  }

  async register(key?: string): Promise<{ channelID: string; endpoint: string; status: unknown }> {
    const channelID = randomUUID();
    const { pushEndpoint, status } = await this.ask({
      messageType: 'register',
      channelID,
      ...(key !== undefined && { key }),
    });
    return { channelID, endpoint: String(pushEndpoint), status };
  }

  acknowledge({ channelID, version }: Message, code = 100): void {
    this.send({ messageType: 'ack', updates: [{ channelID, version, code }] });
  }

  /**
   * All that the service had to say before it answers a ping: the barrier by which tests show that nothing more came.
   */
  async drain(): Promise<Message[]> {
    const before: Message[] = [];
    this.send({});
    for (;;) {
      const message = await this.next();
      if (Object.keys(message).length === 0) return before;
      before.push(message);
    }
  }

  async leave(): Promise<void> {
    const closed = once(this.socket, 'close');
    this.socket.terminate();
    await closed;
  }
}

export const vapid = webPush.generateVAPIDKeys();

/** Keys of a browser, for the `web-push` package to encrypt to. */
export const browserKeys = {
  p256dh: webPush.generateVAPIDKeys().publicKey,
  auth: Buffer.alloc(16, 7).toString('base64url'),
};

export interface SendOptions extends webPush.RequestOptions {
  readonly payload?: string | null;
  /** Whom it is encrypted to. */
  readonly keys?: { readonly p256dh: string; readonly auth: string };
  /** Put over what the `web-push` package made; undefined takes one away. */
  readonly change?: Record<string, string | undefined>;
}

/** Sends as the `web-push` package would, were it to speak plain http. */
export async function send(
  endpoint: string,
  { payload = 'hello', change = {}, keys = browserKeys, ...options }: SendOptions = {},
): Promise<Response> {
  const body = payload ?? undefined;
  const details: webPush.RequestDetails = webPush.generateRequestDetails({ endpoint, keys }, body, {
    vapidDetails: { subject: 'mailto:ops@example.com', ...vapid },
    TTL: 60,
    ...options,
  });
  const headers = new Headers(details.headers as Record<string, string>);
  headers.delete('content-length');
  for (const [name, value] of Object.entries(change)) {
    headers.delete(name);
    if (value !== undefined) headers.set(name, value);
  }
  return fetch(endpoint, {
    method: 'POST',
    headers,
    body: details.body,
    signal: options.timeout ? AbortSignal.timeout(options.timeout) : null,
  });
}
