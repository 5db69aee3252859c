import {
  clearNotifications,
  type Device,
  PushError,
  type PushSupport,
  pushSupport,
  unsubscribe,
} from '@carillon/push-client';
import type { Api } from '../api/api.ts';
import type { Settings } from '../api/types.ts';
import { type Road, roadFor } from './road.ts';

/** Another tab that takes longer, for want of a push service, is not waited for: nobody's logout may hang on it. */
const OTHER_TABS_MS = 5_000;

/** What the bell shows: what the browser allows, and whether this person wants it here. */
export interface BellState {
  readonly support: PushSupport;
  readonly isOn: boolean;
  readonly busy: boolean;
  readonly problem: string;
  /** Whether texts are encrypted up to this browser, so that no push service can read them. */
  readonly isPrivate: boolean;
}

/**
 * Notifications of this browser for the person who is signed in. That somebody wants them here is remembered per person: who
 * signs in later on the same browser decides anew (P17).
 */
export class Notifications {
  readonly #api: Pick<Api, 'registerDevice'>;
  readonly #listeners = new Set<() => void>();
  #last: Promise<void> = Promise.resolve();
  #userId = 0;
  #isWatching = false;
  #road: Road | undefined;
  readonly #roadFor: typeof roadFor;
  #state: BellState = {
    support: pushSupport(),
    isOn: false,
    busy: false,
    problem: '',
    isPrivate: true,
  };

  constructor(api: Pick<Api, 'registerDevice'>, chooseRoad = roadFor) {
    this.#api = api;
    this.#roadFor = chooseRoad;
  }

  get state(): BellState {
    return this.#state;
  }

  listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** At sign-in and at each start: brings a registration up to date, without any question (P15). */
  start(userId: number, settings: Settings): Promise<void> {
    return this.#next(() => this.#start(userId, settings));
  }

  /** The person may have changed the permission in the browser's own settings meanwhile. */
  refresh(): void {
    const support = pushSupport();
    if (support.state !== this.#state.support.state) this.#set({ support, problem: '' });
  }

  /** At logout, after the server has removed the device. */
  stop(): Promise<void> {
    return this.#next(() => this.#stop());
  }

  async #start(userId: number, settings: Settings): Promise<void> {
    this.#watchPermission();
    this.#userId = userId;
    this.#road = this.#roadFor(settings);
    const wanted = localStorage.getItem(this.#wishKey) === 'on';
    const isPrivate = this.#road?.kind !== 'firebase';
    this.#set({ support: pushSupport(), isOn: false, problem: '', isPrivate });
    if (!wanted || !this.#road || this.#state.support.state !== 'granted') return;
    try {
      const device = await this.#road.keep();
      if (device) await this.#register(device);
    } catch (error) {
      this.#set({ problem: wordsOf(error) });
    }
  }

  #watchPermission(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    navigator.permissions
      ?.query({ name: 'notifications' })
      .then((status) => status.addEventListener('change', () => this.refresh()))
      // A browser that does not tell of changes: the bell looks again when it is pressed.
      .catch(() => {});
  }

  /** In a click: asks the browser, subscribes, registers. */
  async turnOn(): Promise<void> {
    if (!this.#road) {
      this.#set({ problem: 'Notifications are switched off on this server.' });
      return;
    }
    this.#set({ busy: true, problem: '' });
    try {
      await this.#register(await this.#road.take());
      localStorage.setItem(this.#wishKey, 'on');
    } catch (error) {
      this.#set({ support: pushSupport(), problem: wordsOf(error) });
    } finally {
      this.#set({ busy: false });
    }
  }

  /** On this device only. The server learns of it with the next push, which finds nobody. */
  async turnOff(): Promise<void> {
    localStorage.removeItem(this.#wishKey);
    this.#set({ isOn: false });
    await this.#leave();
  }

  async #stop(): Promise<void> {
    this.#set({ isOn: false });
    localStorage.removeItem('deviceId');
    await this.#leave();
    await navigator.setAppBadge?.(0).catch(() => {});
  }

  get deviceId(): string | null {
    return localStorage.getItem('deviceId');
  }

  /** Takes a room's banners away once the room is read here. */
  clear(roomId: number): void {
    clearNotifications(`room-${roomId}`).catch(() => {});
  }

  get #wishKey(): string {
    return `notifications:${this.#userId}`;
  }

  /** Also where the session was over before its settings were known. */
  async #leave(): Promise<void> {
    await (this.#road?.leave() ?? unsubscribe()).catch(() => {});
  }

  async #register(device: Device): Promise<void> {
    const { deviceId } = this;
    const { device_id } = await this.#api.registerDevice({
      ...device,
      ...(deviceId && { device_id: deviceId }),
    });
    localStorage.setItem('deviceId', device_id);
    this.#set({ support: pushSupport(), isOn: true, problem: '' });
  }

  /** One after the other: the end of one person's must not take away the beginning of the next one's. */
  #next(step: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => oneTabAtATime(step));
    return this.#last;
  }

  #set(change: Partial<BellState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/**
 * Tabs start and end together, at a login or logout in one of them. Without a subscription each would make one, and register
 * a device of its own.
 * @param step never fails
 */
async function oneTabAtATime(step: () => Promise<void>): Promise<void> {
  const { locks } = navigator;
  if (!locks) return step();
  const signal = AbortSignal.timeout(OTHER_TABS_MS);
  await locks.request('notifications', { signal }, step).catch(step);
}

function wordsOf(error: unknown): string {
  if (error instanceof PushError && error.code === 'dismissed') {
    return 'Your browser’s question was closed without an answer. Press “Turn on” to be asked again.';
  }
  return error instanceof Error ? error.message : String(error);
}
