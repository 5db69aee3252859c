import { Centrifuge, type Subscription } from 'centrifuge';

export interface Room {
  id: number;
  name: string;
  member_count: number;
  unread_count: number;
}

export interface Message {
  id: number;
  content: string;
  user: { id: number; username: string };
}

/** Somebody who uses GrandChat by its REST contract: cookies and CSRF token kept as a browser keeps them. */
export class Person {
  readonly origin: string;
  id = 0;
  username = '';
  #cookies = new Map<string, string>();
  #csrf = '';

  constructor(origin: string) {
    this.origin = origin;
  }

  async signUp(username: string, password = `${username}-password`): Promise<this> {
    await this.#enter('/api/signup/', username, password);
    return this;
  }

  async logIn(username: string, password = `${username}-password`): Promise<this> {
    await this.#enter('/api/login/', username, password);
    return this;
  }

  createRoom(name: string): Promise<Room> {
    return this.post('/api/rooms/', { name });
  }

  send(room: number, content: string): Promise<Message> {
    return this.post(`/api/rooms/${room}/messages/`, { content });
  }

  /** @throws with status and body unless the answer is 2xx */
  async get<T>(path: string): Promise<T> {
    return this.#answer(await fetch(this.origin + path, { headers: this.#headers() }), path);
  }

  /** @throws with status and body unless the answer is 2xx */
  async post<T>(path: string, body: object = {}): Promise<T> {
    const response = await fetch(this.origin + path, {
      method: 'POST',
      headers: { ...this.#headers(), 'content-type': 'application/json', 'x-csrftoken': this.#csrf },
      body: JSON.stringify(body),
    });
    return this.#answer(response, path);
  }

  /** The official client on this person's personal channel; not yet connected. */
  realtime(): { client: Centrifuge; subscription: Subscription } {
    const client = new Centrifuge(`${this.origin.replace('http', 'ws')}/connection/websocket`, {
      websocket: WebSocket,
      getToken: async () => (await this.get<{ token: string }>('/api/token/connection/')).token,
      minReconnectDelay: 20,
    });
    const channel = `personal:${this.id}`;
    const subscription = client.newSubscription(channel, {
      getToken: async () =>
        (await this.get<{ token: string }>(`/api/token/subscription/?channel=${channel}`)).token,
    });
    return { client, subscription };
  }

  async #enter(path: string, username: string, password: string): Promise<void> {
    await this.get('/api/csrf/');
    const { id } = await this.post<{ id: number }>(path, { username, password });
    this.id = id;
    this.username = username;
  }

  #headers(): Record<string, string> {
    return { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
  }

  async #answer<T>(response: Response, path: string): Promise<T> {
    for (const cookie of response.headers.getSetCookie()) {
      const [name, value] = (cookie.split(';')[0] as string).split('=') as [string, string];
      this.#cookies.set(name, value);
    }
    this.#csrf = response.headers.get('x-csrftoken') ?? this.#csrf;
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
}
