import { type Api, ApiError } from '../api/api.ts';
import type { ChatEvent, Page, Room, User } from '../api/types.ts';
import type { RealtimeHandlers } from '../realtime/handlers.ts';
import { addMessage, loadNewest, loadOlder, markGaps, startLoading } from '../store/messages.ts';
import { applyMember, applyRead, mergeRooms, removeRoom, replaceRooms } from '../store/rooms.ts';
import type { State } from '../store/state.ts';
import type { Store } from '../store/store.ts';

const MAX_ROOM_PAGES = 20;
const RELOAD_RETRY_MS = 2_000;
const WITHOUT_SOCKET_MS = 4_000;

/** What it asks of the server. */
export type SessionApi = Pick<Api, 'room' | 'rooms' | 'messages' | 'read'>;

export interface SessionOptions {
  readonly user: User;
  readonly api: SessionApi;
  readonly store: Store;
  readonly openRealtime: (handlers: RealtimeHandlers) => { close(): void };
  /** Subscribed: what waits may go out. */
  readonly onSubscribed: () => void;
  /** A room was read to its end, here or elsewhere: its banners are of no use any more (P7). */
  readonly onRead: (roomId: number) => void;
}

/**
 * Keeps the store at what the server knows, for as long as one person is signed in: loads, takes in events, reloads after a
 * gap. Whatever comes after its end changes nothing, since by then somebody else may be signed in (F14).
 */
export class Session {
  readonly #api: SessionApi;
  readonly #store: Store;
  readonly #userId: number;
  readonly #realtime: { close(): void };
  readonly #onSubscribed: () => void;
  readonly #onRead: (roomId: number) => void;
  readonly #loading = new Map<string, Promise<void>>();
  /** Versions that rooms unknown to us have reached, while they are being fetched. */
  readonly #wanted = new Map<number, number>();
  readonly #reading = new Map<number, number>();
  /** How often events were missed: what was asked for before a gap is asked for again. */
  #gaps = 0;
  #closed = false;
  /** Where WebSockets do not get through, one can at least read. */
  readonly #withoutSocket = setTimeout(
    () => void this.#once('rooms', () => this.#reload()),
    WITHOUT_SOCKET_MS,
  );

  constructor({ user, api, store, openRealtime, onSubscribed, onRead }: SessionOptions) {
    this.#api = api;
    this.#store = store;
    this.#userId = user.id;
    this.#onSubscribed = onSubscribed;
    this.#onRead = onRead;
    this.#realtime = openRealtime({
      onState: (connection) => this.#update((state) => ({ ...state, connection })),
      onEvent: (event) => this.#onEvent(event),
      onSubscribed: (isWhole) => this.#subscribed(isWhole),
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#withoutSocket);
    this.#realtime.close();
  }

  /** Makes sure that a room and its newest messages are here. @returns false when it is not ours */
  async openRoom(roomId: number): Promise<boolean> {
    try {
      if (!this.#store.state.rooms[roomId]) await this.fetchRoom(roomId);
      if (!this.#store.state.conversations[roomId]?.isLoaded) await this.#loadNewest(roomId);
      return this.#store.state.rooms[roomId] !== undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  async loadOlder(roomId: number): Promise<void> {
    const conversation = this.#store.state.conversations[roomId];
    const oldest = conversation?.messages[0]?.id;
    if (!conversation?.hasOlder || !oldest) return;
    await this.#once(`older ${roomId}`, async () => {
      const page = await this.#api.messages(roomId, oldest);
      this.#update((state) => loadOlder(state, roomId, oldest, page.results, page.next !== null));
    });
  }

  /** Marks a room as read up to its newest message; asks the server once for each. */
  async markRead(roomId: number): Promise<void> {
    const room = this.#store.state.rooms[roomId];
    const newest = room?.last_message?.id ?? 0;
    if (!room || newest <= room.last_read_id || (this.#reading.get(roomId) ?? 0) >= newest) return;
    this.#reading.set(roomId, newest);
    try {
      const read = await this.#api.read(roomId, newest);
      this.#update((state) => applyRead(state, roomId, read));
      this.#onRead(roomId);
    } catch {
      // The next message or the next look at the room tries again.
      this.#reading.delete(roomId);
    }
  }

  async fetchRoom(roomId: number): Promise<void> {
    const room = await this.#api.room(roomId);
    this.#update((state) => mergeRooms(state, [room]));
  }

  #subscribed(isWhole: boolean): void {
    clearTimeout(this.#withoutSocket);
    if (!isWhole) {
      this.#gaps += 1;
      this.#update(markGaps);
      void this.#once('rooms', () => this.#reload());
    }
    this.#onSubscribed();
  }

  /**
   * Loads everything that is on the screen anew. Runs only once we are subscribed, so that what happens meanwhile comes as
   * events and nothing falls in between (F6); nobody has to reload a page (F7).
   */
  async #reload(): Promise<void> {
    for (let gaps = -1; gaps !== this.#gaps && !this.#closed; ) {
      gaps = this.#gaps;
      try {
        const before = this.#store.state;
        const rooms = await this.#allRooms();
        this.#update((state) => replaceRooms(state, rooms, before));
        for (const { id, unread_count } of Object.values(this.#store.state.rooms))
          if (unread_count === 0) this.#onRead(id);
        const open = Object.keys(this.#store.state.conversations).map(Number);
        await Promise.all(open.map((roomId) => this.#loadNewest(roomId)));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RELOAD_RETRY_MS));
        gaps = -1;
      }
    }
  }

  async #allRooms(): Promise<Room[]> {
    const rooms: Room[] = [];
    let page: Page<Room> | undefined;
    for (let n = 0; n < MAX_ROOM_PAGES && (!page || page.next); n++) {
      page = await this.#api.rooms(page?.next ?? undefined);
      rooms.push(...page.results);
    }
    return rooms;
  }

  async #loadNewest(roomId: number): Promise<void> {
    this.#update((state) => startLoading(state, roomId));
    await this.#once(`newest ${roomId}`, async () => {
      for (let gaps = -1; gaps !== this.#gaps && !this.#closed; ) {
        gaps = this.#gaps;
        const page = await this.#api.messages(roomId);
        if (gaps === this.#gaps)
          this.#update((state) => loadNewest(state, roomId, page.results, page.next !== null));
      }
    });
  }

  #onEvent(event: ChatEvent): void {
    switch (event.type) {
      case 'message_added': {
        const { room } = event.body;
        if (this.#store.state.rooms[room.id]) this.#update((state) => addMessage(state, event.body));
        // Only the room, not its messages: a hundred of them for a preview would be a stampede (F9).
        else void this.#fetchUnknown(room.id, room.version);
        return;
      }
      case 'user_joined':
        if (this.#store.state.rooms[event.body.room.id])
          this.#update((state) => applyMember(state, event.body));
        else void this.#fetchUnknown(event.body.room.id, event.body.room.version);
        return;
      case 'user_left': {
        const { room, user } = event.body;
        if (user.id !== this.#userId) this.#update((state) => applyMember(state, event.body));
        else if (room.version > (this.#store.state.rooms[room.id]?.version ?? 0))
          this.#update((state) => removeRoom(state, room.id, room.version));
        return;
      }
      case 'room_read':
        this.#update((state) => applyRead(state, event.body.room_id, event.body));
        if (event.body.unread_count === 0) this.#onRead(event.body.room_id);
    }
  }

  /** One fetch at a time for a room, however many events speak of it; another one if it came back too old (F16). */
  async #fetchUnknown(roomId: number, version: number): Promise<void> {
    // From before we left: no reason to ask.
    if (version <= (this.#store.state.left[roomId] ?? -1)) return;
    const isRunning = this.#wanted.has(roomId);
    this.#wanted.set(roomId, Math.max(version, this.#wanted.get(roomId) ?? 0));
    if (isRunning) return;
    try {
      let asked = 0;
      while (!this.#closed && asked < (this.#wanted.get(roomId) ?? 0)) {
        asked = this.#wanted.get(roomId) ?? 0;
        await this.fetchRoom(roomId);
        asked = Math.max(asked, this.#store.state.rooms[roomId]?.version ?? 0);
      }
    } catch {
      // Not ours any more (404), or out of reach: the next event or reload asks again (F2).
    } finally {
      this.#wanted.delete(roomId);
    }
  }

  /** One load of a kind at a time; a second caller waits for the first. */
  async #once(kind: string, load: () => Promise<void>): Promise<void> {
    const running = this.#loading.get(kind);
    if (running) return running;
    const loading = load().finally(() => this.#loading.delete(kind));
    this.#loading.set(kind, loading);
    return loading;
  }

  #update(change: (state: State) => State): void {
    if (!this.#closed) this.#store.update(change);
  }
}
