import { Centrifuge, UnauthorizedError } from 'centrifuge';
import { type Api, ApiError } from '../api/api.ts';
import type { ChatEvent } from '../api/types.ts';
import type { ConnectionState } from '../store/state.ts';

export interface RealtimeHandlers {
  readonly onState: (state: ConnectionState) => void;
  readonly onEvent: (event: ChatEvent) => void;
  /** We are subscribed, and nothing can be missed from here on. `gap`: something may have been missed before. */
  readonly onSubscribed: (gap: boolean) => void;
}

/** The WebSocket: one connection, one subscription to our personal channel. */
export class Realtime {
  readonly #client: Centrifuge;

  constructor(userId: number, api: Api, handlers: RealtimeHandlers) {
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
    let subscribedBefore = false;
    subscription.on('publication', ({ data }) => handlers.onEvent(data as ChatEvent));
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      handlers.onState('connected');
      handlers.onSubscribed(!subscribedBefore || (wasRecovering && !recovered));
      subscribedBefore = true;
    });
    subscription.on('subscribing', () => handlers.onState('connecting'));
    subscription.on('unsubscribed', () => handlers.onState('disconnected'));
    this.#client.on('disconnected', () => handlers.onState('disconnected'));
    subscription.subscribe();
    this.#client.connect();
    addEventListener('online', this.#onOnline);
  }

  close(): void {
    removeEventListener('online', this.#onOnline);
    this.#client.disconnect();
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
