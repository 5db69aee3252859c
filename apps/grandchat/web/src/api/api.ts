import type { FoundRoom, Member, Message, Page, ReadState, Room, Settings, User } from './types.ts';

/** The server said no: `status`, its words, and the field they are about. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly code: string | undefined;
  readonly field: string | undefined;

  constructor(status: number, body: { detail?: string; message?: string; code?: string; field?: string }) {
    super(body.detail ?? body.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body.code;
    this.field = body.field;
  }
}

/** The server could not be reached: worth another try later. */
export class NetworkError extends Error {
  override name = 'NetworkError';
}

export type SignedIn = User & { readonly settings: Settings };

const TIMEOUT_MS = 15_000;

/** GrandChat's REST API. Reads CSRF tokens as they come, and fetches one when there is none or it has rotated. */
export class Api {
  #csrf = '';
  /** Called when a reply says that nobody is signed in. */
  onSignedOut: () => void = () => {};

  me = () => this.#get<SignedIn>('/api/me/');
  login = (username: string, password: string) => this.#post<SignedIn>('/api/login/', { username, password });
  signUp = (username: string, password: string) =>
    this.#post<SignedIn>('/api/signup/', { username, password });
  logout = (deviceId: string | null) =>
    this.#post<object>('/api/logout/', deviceId ? { device_id: deviceId } : {});
  connectionToken = async () => (await this.#get<{ token: string }>('/api/token/connection/')).token;
  subscriptionToken = async (channel: string) =>
    (await this.#get<{ token: string }>(`/api/token/subscription/?channel=${encodeURIComponent(channel)}`))
      .token;
  registerDevice = (device: object) => this.#post<{ device_id: string }>('/api/device/register/', { device });
  rooms = (url = '/api/rooms/') => this.#get<Page<Room>>(url);
  room = (id: number) => this.#get<Room>(`/api/rooms/${id}/`);
  createRoom = (name: string) => this.#post<Room>('/api/rooms/', { name });
  search = (query: string, url = `/api/search/?q=${encodeURIComponent(query)}`) =>
    this.#get<Page<FoundRoom>>(url);
  join = (id: number) => this.#post<Member>(`/api/rooms/${id}/join/`);
  leave = (id: number) => this.#post<Member>(`/api/rooms/${id}/leave/`);
  messages = (id: number, before = 0, limit = 50) =>
    this.#get<Page<Message>>(`/api/rooms/${id}/messages/?limit=${limit}${before ? `&before=${before}` : ''}`);
  send = (id: number, content: string, clientId: string) =>
    this.#post<Message>(`/api/rooms/${id}/messages/`, { content, client_id: clientId });
  read = (id: number, messageId: number) =>
    this.#post<ReadState>(`/api/rooms/${id}/read/`, { message_id: messageId });

  #get<T>(path: string): Promise<T> {
    return this.#request<T>('GET', path);
  }

  async #post<T>(path: string, body: object = {}): Promise<T> {
    if (!this.#csrf) await this.#get('/api/csrf/');
    try {
      return await this.#request<T>('POST', path, body);
    } catch (error) {
      // Another tab has signed in or out: its token is the valid one now.
      if (!(error instanceof ApiError) || error.code !== 'csrf') throw error;
      await this.#get('/api/csrf/');
      return this.#request<T>('POST', path, body);
    }
  }

  async #request<T>(method: string, path: string, body?: object): Promise<T> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(path, {
        method,
        headers: body ? { 'Content-Type': 'application/json', 'X-CSRFToken': this.#csrf } : {},
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body && { body: JSON.stringify(body) }),
      });
      answer = await response.json();
    } catch (error) {
      throw new NetworkError('The server cannot be reached.', { cause: error });
    }
    this.#csrf = response.headers.get('X-CSRFToken') ?? this.#csrf;
    if (response.ok) return answer as T;
    const failure = new ApiError(response.status, answer as object);
    if (failure.code === 'signed_out') this.onSignedOut();
    throw failure;
  }
}
