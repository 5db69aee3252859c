import { Api, ApiError, type SignedIn } from '../api/api.ts';
import type { ChatEvent, Page, Room } from '../api/types.ts';
import { Notifications } from '../push/notifications.ts';
import { Realtime } from '../realtime/realtime.ts';
import { addMessage, loadNewest, loadOlder } from '../store/messages.ts';
import { applyMember, applyRead, mergeRooms, removeRoom, replaceRooms } from '../store/rooms.ts';
import { INITIAL_STATE } from '../store/state.ts';
import { Store } from '../store/store.ts';
import { Outgoing } from './outgoing.ts';

const TOAST_MS = 5_000;
const MAX_ROOM_PAGES = 20;

/** What the screens call: everything that happens, from signing in to reading a room. */
export class Chat {
  readonly store = new Store();
  readonly api = new Api();
  readonly notifications = new Notifications(this.api);
  readonly outgoing = new Outgoing(this.store, this.api);
  readonly #otherTabs = new BroadcastChannel('grandchat');
  readonly #loadingRooms = new Map<number, Promise<void>>();
  readonly #reading = new Map<number, number>();
  #realtime: Realtime | undefined;
  #toastId = 0;

  constructor() {
    this.api.onSignedOut = () => this.#leaveSession();
    // Another tab has signed in or out: the cookie, and so the session, is shared (F14).
    this.#otherTabs.onmessage = () => void this.start();
  }

  /** Finds out who is signed in, and goes on from there. */
  async start(): Promise<void> {
    try {
      this.#enter(await this.api.me());
    } catch (error) {
      if (error instanceof ApiError) this.#leaveSession();
      else setTimeout(() => void this.start(), 2_000);
    }
  }

  /** @throws ApiError with words for the form */
  async signIn(kind: 'login' | 'signUp', username: string, password: string): Promise<void> {
    this.#enter(await this.api[kind](username, password));
    this.#otherTabs.postMessage('signed in');
  }

  async logOut(): Promise<void> {
    try {
      await this.api.logout(this.notifications.deviceId);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'signed_out')) {
        this.toast(`Logging out failed: ${(error as Error).message}`);
        return;
      }
    }
    await this.notifications.stop();
    this.#leaveSession();
    this.#otherTabs.postMessage('signed out');
  }

  toast(text: string): void {
    this.#toastId += 1;
    const id = this.#toastId;
    this.store.update((state) => ({ ...state, toasts: [...state.toasts, { id, text }] }));
    setTimeout(() => {
      this.store.update((state) => ({ ...state, toasts: state.toasts.filter((toast) => toast.id !== id) }));
    }, TOAST_MS);
  }

  /** Makes sure that a room and its newest messages are here. @returns false when it is not ours */
  async openRoom(roomId: number): Promise<boolean> {
    try {
      if (!this.store.state.rooms[roomId]) await this.#fetchRoom(roomId);
      if (!this.store.state.conversations[roomId]) await this.#loadNewest(roomId);
      return this.store.state.rooms[roomId] !== undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      this.toast(`This room could not be loaded: ${(error as Error).message}`);
      return true;
    }
  }

  async loadOlder(roomId: number): Promise<void> {
    const conversation = this.store.state.conversations[roomId];
    const oldest = conversation?.messages[0];
    if (!conversation?.hasOlder || !oldest) return;
    await this.#once(roomId, async () => {
      const page = await this.api.messages(roomId, oldest.id);
      this.store.update((state) => loadOlder(state, roomId, page.results, page.next !== null));
    }).catch((error: Error) => this.toast(`Older messages could not be loaded: ${error.message}`));
  }

  /** Marks a room as read up to its newest message; asks the server once for each. */
  async markRead(roomId: number): Promise<void> {
    const room = this.store.state.rooms[roomId];
    const newest = room?.last_message?.id ?? 0;
    if (!room || newest <= room.last_read_id || (this.#reading.get(roomId) ?? 0) >= newest) return;
    this.#reading.set(roomId, newest);
    this.notifications.clear(roomId);
    try {
      const read = await this.api.read(roomId, newest);
      this.store.update((state) => applyRead(state, roomId, read));
    } catch {
      // The next message or the next look at the room tries again.
      this.#reading.delete(roomId);
    }
  }

  async createRoom(name: string): Promise<Room> {
    const room = await this.api.createRoom(name);
    this.store.update((state) => mergeRooms(state, [room]));
    return room;
  }

  async join(roomId: number): Promise<void> {
    try {
      await this.api.join(roomId);
    } catch (error) {
      // Another tab was first.
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    }
    this.store.update((state) => {
      const { [roomId]: _, ...left } = state.left;
      return { ...state, left };
    });
    await this.#fetchRoom(roomId);
  }

  async leave(roomId: number): Promise<void> {
    const { room } = await this.api.leave(roomId);
    this.store.update((state) => removeRoom(state, roomId, room.version));
  }

  #enter({ settings, ...user }: SignedIn): void {
    if (this.store.state.user?.id === user.id) return;
    this.#leaveSession();
    this.store.update((state) => ({ ...state, user, settings, connection: 'connecting' }));
    this.#realtime = new Realtime(user.id, this.api, {
      onState: (connection) => this.store.update((state) => ({ ...state, connection })),
      onEvent: (event) => this.#onEvent(event),
      onSubscribed: (gap) => {
        this.outgoing.resume();
        if (gap) void this.#reload();
      },
    });
    void this.notifications.start(user.id, settings);
  }

  #leaveSession(): void {
    this.#realtime?.close();
    this.#realtime = undefined;
    this.#loadingRooms.clear();
    this.#reading.clear();
    this.store.update(({ toasts }) => ({ ...INITIAL_STATE, user: null, toasts }));
  }

  /**
   * Loads everything that is on the screen anew. Runs only once we are subscribed, so that what happens meanwhile comes as
   * events and nothing falls in between (F6); nobody has to reload a page (F7).
   */
  async #reload(): Promise<void> {
    try {
      const rooms: Room[] = [];
      let page: Page<Room> | undefined;
      for (let n = 0; n < MAX_ROOM_PAGES && (!page || page.next); n++) {
        page = await this.api.rooms(page?.next ?? undefined);
        rooms.push(...page.results);
      }
      this.store.update((state) => replaceRooms(state, rooms));
      const open = Object.keys(this.store.state.conversations).map(Number);
      await Promise.all(open.map((roomId) => this.#loadNewest(roomId)));
    } catch (error) {
      if (error instanceof ApiError) return;
      setTimeout(() => void this.#reload(), 2_000);
    }
  }

  #onEvent(event: ChatEvent): void {
    const { state } = this.store;
    switch (event.type) {
      case 'message_added': {
        const { room } = event.body;
        if (state.rooms[room.id]) this.store.update((now) => addMessage(now, event.body));
        // Only the room, not its messages: a hundred of them for a preview would be a stampede (F9).
        else this.#fetchUnknown(room.id, room.version);
        return;
      }
      case 'user_joined':
        if (state.rooms[event.body.room.id]) this.store.update((now) => applyMember(now, event.body));
        else this.#fetchUnknown(event.body.room.id, event.body.room.version);
        return;
      case 'user_left': {
        const { room, user } = event.body;
        if (user.id !== state.user?.id) this.store.update((now) => applyMember(now, event.body));
        else if (room.version > (state.rooms[room.id]?.version ?? 0)) {
          this.store.update((now) => removeRoom(now, room.id, room.version));
        }
        return;
      }
      case 'room_read':
        this.store.update((now) => applyRead(now, event.body.room_id, event.body));
    }
  }

  #fetchUnknown(roomId: number, version: number): void {
    // From before we left: no reason to ask.
    if (version <= (this.store.state.left[roomId] ?? -1)) return;
    this.#fetchRoom(roomId).catch(() => {});
  }

  async #fetchRoom(roomId: number): Promise<void> {
    const room = await this.api.room(roomId);
    this.store.update((state) => mergeRooms(state, [room]));
  }

  async #loadNewest(roomId: number): Promise<void> {
    await this.#once(roomId, async () => {
      const page = await this.api.messages(roomId);
      this.store.update((state) => loadNewest(state, roomId, page.results, page.next !== null));
    });
  }

  /** One load per room at a time; a second caller waits for the first. */
  async #once(roomId: number, load: () => Promise<void>): Promise<void> {
    const running = this.#loadingRooms.get(roomId);
    if (running) return running;
    const loading = load().finally(() => this.#loadingRooms.delete(roomId));
    this.#loadingRooms.set(roomId, loading);
    return loading;
  }
}
