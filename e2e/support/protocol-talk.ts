import { once } from 'node:events';
import { WebSocket } from 'ws';
import { decodeFrame, encodeFrame } from './protobuf-wire.ts';

type Message = Record<string, unknown>;

/** What differs from one server or connection to the next, and is shown by its name. */
const VARYING = new Set(['client', 'epoch', 'version', 'session', 'node', 'ttl', 'time']);
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const END = 4_000_000_000;
/** Of `PROTOCOL_NAMESPACES`. */
const JOIN_NAMESPACE = 'open';

/** One conversation with a server over WebSocket, of which everything that the server says is kept. */
export class Talk {
  readonly #url: string;
  readonly #key: string;
  readonly #token: (claims: Message) => Promise<string>;
  readonly #lines: unknown[] = [];
  readonly #sockets: WebSocket[] = [];
  readonly #seen: Message[] = [];
  #wake: () => void = () => {};
  #ends = END;
  #id = 1;

  readonly #encoding: 'json' | 'protobuf';

  /** @param encoding  of what goes over two-way WebSocket */
  constructor(
    url: string,
    key: string,
    token: (claims: Message) => Promise<string>,
    encoding: 'json' | 'protobuf' = 'json',
  ) {
    this.#url = url;
    this.#encoding = encoding;
    this.#key = key;
    this.#token = token;
  }

  token(claims: Message): Promise<string> {
    return this.#token(claims);
  }

  /** Calls the server API. */
  async api(method: string, request: object): Promise<Message> {
    const response = await fetch(`${this.#url}/api/${method}`, {
      method: 'POST',
      headers: { 'X-API-Key': this.#key },
      body: JSON.stringify(request),
    });
    return (await response.json()) as Message;
  }

  /** Status, body and the headers that count of a request to a path below `/connection/`. */
  async http(path: string, method: string, body?: string): Promise<object> {
    const origin = 'http://localhost:9000';
    const response = await fetch(new URL(path, `${this.#url}/connection/`), {
      method,
      headers: { origin },
      ...(body !== undefined && { body }),
    });
    const headers = [...response.headers].filter(([name]) =>
      /^(access-control|cache|pragma|x-accel)/.test(name),
    );
    return { status: response.status, headers, body: (await response.text()).trim() };
  }

  /** Opens a connection and sends nothing. What comes is noted from here on. */
  async open(path = '/connection/websocket'): Promise<WebSocket> {
    const isProtobuf = this.#encoding === 'protobuf' && path === '/connection/websocket';
    const address = this.#url.replace('http', 'ws') + path;
    const socket = new WebSocket(address, isProtobuf ? ['centrifuge-protobuf'] : []);
    this.#sockets.push(socket);
    if (isProtobuf) {
      const send = socket.send.bind(socket);
      socket.send = (text: unknown) => send(encodeFrame(String(text)));
    }
    socket.on('message', (data) => {
      for (const message of isProtobuf ? decodeFrame(data as Buffer) : decodeLines(data.toString())) {
        this.#seen.push(message);
        if (((message.id as number | undefined) ?? 0) < END) this.#lines.push(message);
      }
      this.#wake();
    });
    socket.on('close', (code, reason) => {
      this.#lines.push({ closed: code, reason: reason.toString() });
      this.#wake();
    });
    await once(socket, 'open');
    return socket;
  }

  /** Opens and connects with these claims, and waits for the answer. */
  async connect(claims: Message = { sub: '42' }, rest: object = {}): Promise<WebSocket> {
    const socket = await this.open();
    await this.ask(socket, { connect: { token: await this.#token(claims), ...rest } });
    return socket;
  }

  /** Sends commands in one frame, each with the next id, and waits until all have been answered or the line is closed. */
  async ask(socket: WebSocket, ...commands: object[]): Promise<Message> {
    const numbered = commands.map((command) => ({ id: this.#id++, ...command }));
    socket.send(numbered.map((command) => JSON.stringify(command)).join('\n'));
    const last = numbered.at(-1)?.id;
    const answer = await this.#until(socket, (message) => message.id === last);
    for (const command of numbered) await this.#untilJoined(socket, command);
    return answer;
  }

  /** In a namespace that pushes joins one's own follows the answer, and may come before or after whatever comes next. */
  async #untilJoined(
    socket: WebSocket,
    command: { id: number; subscribe?: { channel: string } },
  ): Promise<void> {
    const answer = this.#seen.find(({ id }) => id === command.id);
    const { subs = {} } = (answer?.connect ?? {}) as { subs?: Record<string, unknown> };
    const channels = [...Object.keys(subs), ...(answer?.subscribe ? [command.subscribe?.channel] : [])];
    for (const channel of channels.filter((name) => name?.startsWith(`${JOIN_NAMESPACE}:`)))
      await this.#until(socket, ({ push }) => {
        const { channel: where, join } = (push ?? {}) as { channel?: string; join?: unknown };
        return where === channel && join !== undefined;
      });
  }

  /** Waits until everything that the server has to say by now has come: it answers one command more. */
  async settle(socket: WebSocket): Promise<void> {
    const id = this.#ends++;
    socket.send(JSON.stringify({ id, rpc: { method: 'end', data: {} } }));
    await this.#until(socket, (message) => message.id === id);
  }

  /** Waits for a message that has come or comes. */
  async until(socket: WebSocket, isIt: (message: Message) => boolean): Promise<Message> {
    return this.#until(socket, isIt);
  }

  async closed(socket: WebSocket): Promise<void> {
    if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
  }

  /** Replies by their ids, pushes by channel and kind, and the end; with what varies shown by name. */
  transcript(): unknown {
    return normal(this.#lines);
  }

  /** Notes something else that a server gave. */
  note(value: unknown): void {
    this.#lines.push(value);
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async #until(socket: WebSocket, isIt: (message: Message) => boolean): Promise<Message> {
    while (true) {
      const found = this.#seen.find(isIt);
      if (found) return found;
      if (socket.readyState === WebSocket.CLOSED) return {};
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function decodeLines(text: string): Message[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => {
        if (VARYING.has(key) && typeof member !== 'object') return [key, `a ${key}`];
        if (UUID.test(key)) return ['a client', normal(member)];
        return [key, normal(member)];
      }),
  );
}
