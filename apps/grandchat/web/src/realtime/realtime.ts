import { Centrifuge, UnauthorizedError } from 'centrifuge';
import { type Api, ApiError } from '../api/api.ts';
import type { ChatEvent } from '../api/types.ts';
import type { RealtimeHandlers } from './handlers.ts';

const COME_BACK_MS = 5_000;

/** The WebSocket: one connection, one subscription to our personal channel. */
export class Realtime {
  readonly #client: Centrifuge;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #closed = false;

  constructor(
    userId: number,
    api: Pick<Api, 'connectionToken' | 'subscriptionToken'>,
    handlers: RealtimeHandlers,
  ) {
    const url = new URL('/connection/websocket', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    this.#client = new Centrifuge(url.href, {
      getToken: () => orUnauthorized(api.connectionToken()),
      minReconnectDelay: 300,
      maxReconnectDelay: 8_000,
    });
    const channel = `personal:${userId}`;
    const subscription = this.#client.newSubscription(channel, {
      getToken: () => orUnauthorized(api.subscriptionToken(channel)),
    });
    subscription.on('publication', ({ data }) => handlers.onEvent(data as ChatEvent));
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      handlers.onState('connected');
      handlers.onSubscribed(wasRecovering && recovered);
    });
    subscription.on('subscribing', () => handlers.onState('connecting'));
    subscription.on('unsubscribed', () => {
      handlers.onState('disconnected');
      this.#comeBack(() => subscription.subscribe());
    });
    // The server may end a connection for good, as when it is set up anew; people are not to reload a page for it (F7).
    this.#client.on('disconnected', () => {
      handlers.onState('disconnected');
      this.#comeBack(() => this.#client.connect());
    });
    subscription.subscribe();
    this.#client.connect();
    addEventListener('online', this.#onOnline);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    removeEventListener('online', this.#onOnline);
    this.#client.disconnect();
  }

  #comeBack(again: () => void): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      again();
    }, COME_BACK_MS);
    this.#timers.add(timer);
  }

  /** No need to wait for the next try: the network is back. */
  #onOnline = (): void => {
    if (this.#client.state === 'connecting') {
      this.#client.disconnect();
      this.#client.connect();
    }
  };
}

/** Signed out: the client must stop asking (F15). */
async function orUnauthorized(token: Promise<string>): Promise<string> {
  try {
    return await token;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403))
      throw new UnauthorizedError(error.message);
    throw error;
  }
}
