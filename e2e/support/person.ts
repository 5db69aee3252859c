import { Centrifuge, type Subscription } from 'centrifuge';

/** Somebody who uses GrandChat by its REST API: the friend at the other end of the tests. */
export class Person {
  readonly username: string;
  readonly password: string;
  /** As GrandChat numbers its users. */
  id = 0;
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();
  #csrf = '';

  private constructor(origin: string, username: string, password = `password of ${username}`) {
    this.#origin = origin;
    this.username = username;
    this.password = password;
  }

  /** Somebody who has an account. */
  static async logIn(origin: string, username: string, password: string): Promise<Person> {
    const person = new Person(origin, username, password);
    await person.logInAgain();
    return person;
  }

  static async signUp(origin: string, username: string): Promise<Person> {
    const person = new Person(origin, username);
    await person.#request('GET', '/api/csrf/');
    const { id } = await person.post<{ id: number }>('/api/signup/', { username, password: person.password });
    person.id = id;
    return person;
  }

  async logInAgain(): Promise<void> {
    const { username, password } = this;
    await this.#request('GET', '/api/csrf/');
    this.id = (await this.post<{ id: number }>('/api/login/', { username, password })).id;
  }

  async createRoom(name: string): Promise<number> {
    const { id } = (await this.#request('POST', '/api/rooms/', { name })) as { id: number };
    return id;
  }

  async join(roomId: number): Promise<void> {
    await this.#request('POST', `/api/rooms/${roomId}/join/`, {});
  }

  /** Writes a message and gives its id. */
  async write(roomId: number, content: string): Promise<number> {
    const { id } = (await this.#request('POST', `/api/rooms/${roomId}/messages/`, { content })) as {
      id: number;
    };
    return id;
  }

  /** @throws with status and body unless the answer is a success */
  async get<T>(path: string): Promise<T> {
    return (await this.#request('GET', path)) as T;
  }

  /** @throws with status and body unless the answer is a success */
  async post<T>(path: string, body: object = {}): Promise<T> {
    return (await this.#request('POST', path, body)) as T;
  }

  /** The official client, subscribed to this person's own channel once `connect` is called on it. */
  realtime(origin = this.#origin): { client: Centrifuge; subscription: Subscription } {
    const client = new Centrifuge(`${origin.replace('http', 'ws')}/connection/websocket`, {
      websocket: WebSocket,
      minReconnectDelay: 20,
      maxReconnectDelay: 200,
      getToken: async () => (await this.get<{ token: string }>('/api/token/connection/')).token,
    });
    const channel = `personal:${this.id}`;
    const subscription = client.newSubscription(channel, {
      getToken: async () =>
        (await this.get<{ token: string }>(`/api/token/subscription/?channel=${channel}`)).token,
    });
    subscription.subscribe();
    return { client, subscription };
  }

  async #request(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(this.#origin + path, {
      method,
      headers: {
        Cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        'X-CSRFToken': this.#csrf,
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    this.#csrf = response.headers.get('X-CSRFToken') ?? this.#csrf;
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      this.#cookies.set(name, value);
    }
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
