import { type Api, ApiError, NetworkError } from '../api/api.ts';
import { addMessage, addPending, removePending, setPending } from '../store/messages.ts';
import type { Pending } from '../store/state.ts';
import type { Store } from '../store/store.ts';

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/**
 * Sends what people write, in the order in which they wrote it, one at a time per room. A message is *sending* until the
 * server has it; without a network it is *waiting* and goes out by itself later; when the server says no it has
 * *failed*, and its author decides. The client id makes a second try harmless (F12).
 */
export class Outgoing {
  readonly #store: Store;
  readonly #api: Pick<Api, 'send'>;
  readonly #busyRooms = new Set<number>();
  #retryMs = FIRST_RETRY_MS;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, api: Pick<Api, 'send'>) {
    this.#store = store;
    this.#api = api;
  }

  send(roomId: number, content: string): void {
    const clientId = newClientId();
    const createdAt = new Date().toISOString();
    this.#store.update((state) =>
      addPending(state, { clientId, roomId, content, createdAt, state: 'sending' }),
    );
    void this.#drain(roomId);
  }

  retry(clientId: string): void {
    const pending = this.#find(clientId);
    if (!pending) return;
    this.#store.update((state) => setPending(state, clientId, { state: 'sending', reason: '' }));
    void this.#drain(pending.roomId);
  }

  discard(clientId: string): void {
    this.#store.update((state) => removePending(state, clientId));
  }

  /** Another try for all that waits: the network is back, or may be. */
  resume(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    const waiting = this.#store.state.pending.filter(({ state }) => state === 'waiting');
    this.#store.update((state) =>
      waiting.reduce((next, { clientId }) => setPending(next, clientId, { state: 'sending' }), state),
    );
    for (const roomId of new Set(waiting.map((pending) => pending.roomId))) void this.#drain(roomId);
  }

  async #drain(roomId: number): Promise<void> {
    if (this.#busyRooms.has(roomId)) return;
    this.#busyRooms.add(roomId);
    try {
      for (let next = this.#next(roomId); next; next = this.#next(roomId)) await this.#sendOne(next);
    } finally {
      this.#busyRooms.delete(roomId);
    }
  }

  #next(roomId: number): Pending | undefined {
    return this.#store.state.pending.find(
      (pending) => pending.roomId === roomId && pending.state === 'sending',
    );
  }

  async #sendOne({ clientId, roomId, content }: Pending): Promise<void> {
    try {
      const message = await this.#api.send(roomId, content, clientId);
      this.#retryMs = FIRST_RETRY_MS;
      this.#store.update((state) => addMessage(state, message));
    } catch (error) {
      if (error instanceof NetworkError || (error instanceof ApiError && error.status >= 500))
        this.#waitForNetwork(roomId);
      else
        this.#store.update((state) =>
          setPending(state, clientId, { state: 'failed', reason: (error as Error).message }),
        );
    }
  }

  /** All of the room's wait, so that none overtakes another. */
  #waitForNetwork(roomId: number): void {
    this.#store.update((state) =>
      state.pending
        .filter((pending) => pending.roomId === roomId && pending.state === 'sending')
        .reduce((next, { clientId }) => setPending(next, clientId, { state: 'waiting' }), state),
    );
    // The WebSocket may never have broken: then nobody tells us that the network is back.
    this.#retryTimer ??= setTimeout(() => this.resume(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #find(clientId: string): Pending | undefined {
    return this.#store.state.pending.find((pending) => pending.clientId === clientId);
  }
}

/** `crypto.randomUUID` needs a secure context, which a test on the local network may lack. */
function newClientId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
