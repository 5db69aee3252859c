import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Database } from 'carillon';
import { type GrandChat, type GrandChatOptions, type Limits, startGrandChat } from '../../src/index.ts';

export const TOKEN_SECRET = 'a secret for tests';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect, and fail where it is not there
  readonly body: any;
  readonly headers: Headers;
}

/** A browser as far as REST goes: keeps cookies, reads CSRF tokens as they come. */
export class Browser {
  readonly origin: string;
  readonly cookies = new Map<string, string>();
  csrf = '';
  id = 0;

  constructor(origin: string) {
    this.origin = origin;
  }

  get(path: string): Promise<Answer> {
    return this.request('GET', path);
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('POST', path, body, headers);
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.origin + path, {
      method,
      headers: {
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(method === 'POST' && { 'content-type': 'application/json', 'x-csrftoken': this.csrf }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    this.csrf = response.headers.get('x-csrftoken') ?? this.csrf;
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value) this.cookies.set(name, value);
      else this.cookies.delete(name);
    }
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
  }
}

/** A stand-in for Carillon's server API: records calls, answers as told. */
export class CarillonRecorder {
  readonly calls: { method: string; request: Record<string, unknown> }[] = [];
  /** Paths of WebSockets that were asked for; none is opened. */
  readonly upgrades: string[] = [];
  /** Method → result; an Error's message becomes error 107, `down` cuts the connection, a number is a status. */
  readonly answers = new Map<string, object | Error | 'down' | 'silence' | number>();
  /** Instead of the above, for the nth call of a method, from 1; undefined for what is above. */
  answer: (method: string, n: number) => object | Error | 'down' | 'silence' | number | undefined = () =>
    undefined;
  readonly #arrivals = new EventEmitter();
  readonly #silent: Socket[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        const method = (request.url ?? '').replace('/api/', '');
        this.calls.push({ method, request: JSON.parse(text) });
        const answer = this.answer(method, this.of(method).length) ?? this.answers.get(method) ?? {};
        this.#arrivals.emit('call');
        if (answer === 'silence') return void this.#silent.push(request.socket);
        if (answer === 'down') request.socket.destroy();
        else if (typeof answer === 'number') response.writeHead(answer).end('no');
        else if (answer instanceof Error)
          response.end(JSON.stringify({ error: { code: 107, message: answer.message } }));
        else response.end(JSON.stringify({ result: answer }));
      });
    });
  }

  async start(): Promise<string> {
    this.#server.on('upgrade', ({ url = '' }, socket) => {
      this.upgrades.push(url);
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of(method: string): Record<string, unknown>[] {
    return this.calls.filter((call) => call.method === method).map((call) => call.request);
  }

  /** Ends the connections of calls that got no answer. */
  cutSilent(): void {
    for (const socket of this.#silent.splice(0)) socket.destroy();
  }

  /** Resolves when `count` calls of a method have come. */
  async until(method: string, count: number): Promise<Record<string, unknown>[]> {
    while (this.of(method).length < count) await once(this.#arrivals, 'call');
    return this.of(method);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface Bench {
  readonly db: Database;
  readonly grandchat: GrandChat;
  readonly carillon: CarillonRecorder;
  readonly origin: string;
  /** Somebody new, signed up and signed in. */
  person(name: string): Promise<Browser>;
  browser(): Promise<Browser>;
  /** Payloads of the outbox's rows of a method, oldest first. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect, and fail where it is not there
  outbox(method: string): Promise<any[]>;
  close(): Promise<void>;
}

export async function startBench(
  db: Database,
  limits: Partial<Limits> = {},
  more: Partial<GrandChatOptions> = {},
): Promise<Bench> {
  const carillon = new CarillonRecorder();
  carillon.answers.set('device_list', { items: [] });
  carillon.answers.set('user_topic_list', { items: [] });
  carillon.answers.set('device_register', { id: 'webpush-1' });
  const url = await carillon.start();
  const grandchat = await startGrandChat({
    db,
    port: 0,
    host: '127.0.0.1',
    origin: 'https://chat.example',
    carillon: { url, apiKey: 'key', tokenSecret: TOKEN_SECRET },
    vapidPublicKey: 'the public key',
    broadcast: { partitions: 4, bigRoomPartitions: 4 },
    limits: { signupsPerAddress: 10_000, loginsPerAddress: 10_000, messagesPerMinute: 10_000, ...limits },
    logger: { info() {}, warn() {}, error() {} },
    ...more,
  }).catch(async (error) => {
    await carillon.close();
    throw error;
  });
  const origin = `http://127.0.0.1:${grandchat.port}`;
  const browser = async () => {
    const fresh = new Browser(origin);
    await fresh.get('/api/csrf/');
    return fresh;
  };
  return {
    db,
    grandchat,
    carillon,
    origin,
    browser,
    async person(name) {
      const fresh = await browser();
      const { status, body } = await fresh.post('/api/signup/', { username: name, password: 'password!' });
      if (status !== 201) throw new Error(JSON.stringify(body));
      fresh.id = body.id;
      return fresh;
    },
    async outbox(method) {
      const rows = await db.query<{ payload: unknown }>(
        'SELECT payload FROM chat_outbox WHERE method = $1 ORDER BY id',
        [method],
      );
      return rows.map(({ payload }) => payload);
    },
    async close() {
      await grandchat.close();
      await carillon.close();
    },
  };
}
