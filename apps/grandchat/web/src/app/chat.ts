import { Api, ApiError, type SignedIn } from '../api/api.ts';
import type { Room } from '../api/types.ts';
import { Notifications } from '../push/notifications.ts';
import { Realtime } from '../realtime/realtime.ts';
import { drafts } from '../room/drafts.ts';
import { mergeRooms, removeRoom } from '../store/rooms.ts';
import { INITIAL_STATE } from '../store/state.ts';
import { Store } from '../store/store.ts';
import { Outgoing } from './outgoing.ts';
import { Session } from './session.ts';

const TOAST_MS = 5_000;
const START_RETRY_MS = 2_000;

/** What the screens call: everything that happens, from signing in to reading a room. */
export class Chat {
  readonly store = new Store();
  readonly api = new Api();
  readonly notifications = new Notifications(this.api);
  readonly outgoing = new Outgoing(this.store, this.api);
  readonly #otherTabs = new BroadcastChannel('grandchat');
  #session: Session | undefined;
  #toastId = 0;

  constructor() {
    this.api.onSignedOut = () => void this.#signedOut();
    // Another tab has signed in or out: the cookie, and so the session, is shared (F14).
    this.#otherTabs.onmessage = () => void this.start();
  }

  /** Finds out who is signed in, and goes on from there. */
  async start(): Promise<void> {
    try {
      this.#enter(await this.api.me());
    } catch (error) {
      if (!isSignedOut(error)) setTimeout(() => void this.start(), START_RETRY_MS);
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
      if (!isSignedOut(error)) {
        this.toast(`Logging out failed: ${(error as Error).message}`);
        return;
      }
    }
    await this.notifications.stop();
    drafts.clear();
    this.#leaveSession();
    this.#otherTabs.postMessage('signed out');
  }

  /** Says something in passing; what is being said already is not said twice. */
  toast(text: string): void {
    if (this.store.state.toasts.some((toast) => toast.text === text)) return;
    this.#toastId += 1;
    const id = this.#toastId;
    this.store.update((state) => ({ ...state, toasts: [...state.toasts, { id, text }] }));
    setTimeout(() => {
      this.store.update((state) => ({ ...state, toasts: state.toasts.filter((toast) => toast.id !== id) }));
    }, TOAST_MS);
  }

  /**
   * Makes sure that a room and its newest messages are here.
   * @returns false when it is not ours
   * @throws ApiError, NetworkError
   */
  async openRoom(roomId: number): Promise<boolean> {
    return (await this.#session?.openRoom(roomId)) ?? true;
  }

  async loadOlder(roomId: number): Promise<void> {
    try {
      await this.#session?.loadOlder(roomId);
    } catch (error) {
      this.toast(`Older messages could not be loaded: ${(error as Error).message}`);
    }
  }

  /** A room's end is before somebody's eyes: it is read, and its banners go. */
  async markRead(roomId: number): Promise<void> {
    await this.#session?.markRead(roomId);
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
    await this.#session?.fetchRoom(roomId);
  }

  /** @returns how many members are left */
  async leave(roomId: number): Promise<number> {
    const { room } = await this.api.leave(roomId);
    this.store.update((state) => removeRoom(state, roomId, room.version));
    return room.member_count;
  }

  #enter({ settings, ...user }: SignedIn): void {
    if (this.store.state.user?.id === user.id) return;
    this.#leaveSession();
    this.store.update((state) => ({ ...state, user, settings, connection: 'connecting' }));
    this.#session = new Session({
      user,
      api: this.api,
      store: this.store,
      openRealtime: (handlers) => new Realtime(user.id, this.api, handlers),
      onSubscribed: () => this.outgoing.resume(),
      onRead: (roomId) => this.notifications.clear(roomId),
    });
    void this.notifications.start(user.id, settings);
  }

  /** Nobody is signed in any more: this browser is to ring for nobody (P17). */
  async #signedOut(): Promise<void> {
    drafts.clear();
    this.#leaveSession();
    await this.notifications.stop();
  }

  #leaveSession(): void {
    this.#session?.close();
    this.#session = undefined;
    this.store.update(({ toasts }) => ({ ...INITIAL_STATE, user: null, toasts }));
  }
}

function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'signed_out';
}
