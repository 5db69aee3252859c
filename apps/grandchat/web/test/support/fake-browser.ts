/** Hands a lock on to who asks next when the last one is done with it, and gives up with the signal, as browsers do. */
class FakeLocks {
  #last: Promise<unknown> = Promise.resolve();

  async request(
    _name: string,
    { signal }: { signal: AbortSignal },
    work: () => Promise<void>,
  ): Promise<void> {
    const granted = this.#last;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    this.#last = granted.then(() => released);
    try {
      await Promise.race([
        granted,
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ]);
      await work();
    } finally {
      release();
    }
  }
}

/** A browser's push, with a person who answers `answer` when asked. */
export class FakeBrowser {
  permission: NotificationPermission = 'default';
  answer: NotificationPermission = 'granted';
  questions = 0;
  subscriptions = 0;
  subscription: { readonly options: { readonly applicationServerKey: ArrayBuffer } } | null = null;
  /** Of all tabs. */
  readonly locks = new FakeLocks();
  /** URL of the service worker that is at work. */
  worker = '';

  /** Puts it in the place of the globals of a page. @returns takes it away again */
  install(): () => void {
    const browser = this;
    const registration = {
      active: {},
      pushManager: {
        getSubscription: async () => browser.subscription,
        subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array }) => {
          browser.subscriptions += 1;
          const endpoint = `https://push.example/${browser.subscriptions}`;
          const subscription = {
            options: { applicationServerKey: Uint8Array.from(applicationServerKey).buffer },
            toJSON: () => ({ endpoint, keys: { p256dh: 'p', auth: 'a' } }),
            unsubscribe: async () => {
              browser.subscription = null;
              return true;
            },
          };
          browser.subscription = subscription;
          return subscription;
        },
      },
      getNotifications: async () => [],
    };
    const storage = new Map<string, string>();
    const globals = {
      window: {
        isSecureContext: true,
        matchMedia: () => ({ matches: false }),
        PushManager: class {},
        Notification: class {},
      },
      navigator: {
        userAgent: 'a browser',
        language: 'en',
        maxTouchPoints: 0,
        locks: this.locks,
        serviceWorker: {
          register: async (url: string) => {
            browser.worker = url;
            return registration;
          },
          getRegistration: async () => registration,
        },
      },
      Notification: {
        get permission() {
          return browser.permission;
        },
        requestPermission: async () => {
          browser.questions += 1;
          browser.permission = browser.answer;
          return browser.answer;
        },
      },
      localStorage: {
        getItem: (key: string) => storage.get(key) ?? null,
        setItem: (key: string, value: string) => storage.set(key, value),
        removeItem: (key: string) => storage.delete(key),
      },
    };
    const before = Object.keys(globals).map(
      (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
    );
    for (const [name, value] of Object.entries(globals))
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    return () => {
      for (const [name, descriptor] of before) {
        delete (globalThis as Record<string, unknown>)[name];
        if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      }
    };
  }
}
