import type { WindowClient, WorkerScope } from '../src/worker/scope.ts';

export const ORIGIN = 'https://chat.example';

interface FakeWindowOptions {
  readonly focused?: boolean;
  readonly visible?: boolean;
  /** To every question, or to each its own. Absent: it never answers. */
  readonly answer?: unknown;
}

/** Stands in for a page: answers what it is asked, or nothing at all. */
export class FakeWindow implements WindowClient {
  readonly focused: boolean;
  readonly visibilityState: DocumentVisibilityState;
  readonly messages: unknown[] = [];
  readonly #answer: unknown;
  isBroughtForward = false;

  constructor({ focused = false, visible = false, answer }: FakeWindowOptions = {}) {
    this.focused = focused;
    this.visibilityState = visible || focused ? 'visible' : 'hidden';
    this.#answer = answer;
  }

  postMessage(message: unknown, [port]: Transferable[]): void {
    this.messages.push(message);
    const answer = this.#answer instanceof Function ? this.#answer(message) : this.#answer;
    if (answer !== undefined) (port as MessagePort).postMessage(answer);
    (port as MessagePort).close();
  }

  async focus(): Promise<void> {
    this.isBroughtForward = true;
  }
}

interface FakeNotification extends NotificationOptions {
  readonly title: string;
}

export interface FakeScope extends WorkerScope {
  /** What is on the screen, by tag; notifications without one are all there. */
  readonly screen: FakeNotification[];
  /** Every call of showNotification. */
  readonly shown: FakeNotification[];
  readonly opened: string[];
  readonly badges: (number | undefined)[];
}

/**
 * A service worker's scope with these windows, that waits a little before it shows, as a browser does.
 * @param desktop.desktopMs a tag that is shown again before so long leaves both on the screen
 */
export function fakeScope(windows: FakeWindow[] = [], { desktopMs = 0 } = {}): FakeScope {
  const namedAt = new Map<string | undefined, number>();
  const screen: FakeNotification[] = [];
  const shown: FakeNotification[] = [];
  const opened: string[] = [];
  const badges: (number | undefined)[] = [];
  const registration = {
    async showNotification(title: string, options: NotificationOptions = {}) {
      await new Promise((resolve) => setImmediate(resolve));
      const notification = { title, ...structuredClone(options) };
      shown.push(notification);
      const at = screen.findIndex(({ tag }) => tag !== undefined && tag === options.tag);
      if (at >= 0 && performance.now() >= (namedAt.get(options.tag) ?? 0)) screen.splice(at, 1);
      namedAt.set(options.tag, performance.now() + desktopMs);
      screen.push(notification);
    },
    async getNotifications({ tag }: GetNotificationOptions = {}) {
      return screen.filter((notification) => tag === undefined || notification.tag === tag);
    },
  };
  return {
    location: { origin: ORIGIN },
    registration: registration as unknown as WorkerScope['registration'],
    clients: {
      matchAll: async () => windows,
      async openWindow(url) {
        opened.push(url);
        return null;
      },
    },
    navigator: {
      async setAppBadge(count) {
        badges.push(count);
      },
    },
    screen,
    shown,
    opened,
    badges,
  };
}

/** Runs a listener to its end, as the browser does before it stops the worker. */
export async function run<E extends { waitUntil(work: Promise<unknown>): void }>(
  listener: (event: E) => void,
  event: Omit<E, 'waitUntil'>,
): Promise<void> {
  const work: Promise<unknown>[] = [];
  listener({ ...event, waitUntil: (promise) => void work.push(promise) } as E);
  await Promise.all(work);
}
