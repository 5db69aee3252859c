import type { RedisLink } from '../../storage/redis/link.ts';

interface Wish {
  subscribe: boolean;
  readonly settle: { resolve(): void; reject(error: unknown): void }[];
}

/**
 * The PUB/SUB channels that this node has at one Redis: one for each channel with a subscriber here. Wishes of one turn
 * of the event loop go out together, and of several about one channel the last one counts.
 */
export class Feed {
  readonly #link: RedisLink;
  readonly #onMessage: (message: string, name: string) => void;
  /** Those that are wanted, and when they are there. */
  readonly #channels = new Map<string, Promise<void>>();
  #wishes = new Map<string, Wish>();

  constructor(
    link: RedisLink,
    onMessage: (message: string, name: string) => void,
    onInterruption: (names: readonly string[]) => void,
  ) {
    this.#link = link;
    this.#onMessage = onMessage;
    link.onBack(() => onInterruption([...this.#channels.keys()]));
  }

  /** Resolves when messages come. @throws UnavailableError */
  subscribe(name: string): Promise<void> {
    const known = this.#channels.get(name);
    if (known) return known;
    const promise = new Promise<void>((resolve, reject) => {
      const wish = this.#wish(name, true);
      wish.settle.push({ resolve, reject });
    });
    this.#channels.set(name, promise);
    promise.catch(() => {
      // Whoever asks next tries again.
      if (this.#channels.get(name) === promise) this.#channels.delete(name);
    });
    return promise;
  }

  unsubscribe(name: string): void {
    this.#channels.delete(name);
    this.#wish(name, false);
  }

  #wish(name: string, subscribe: boolean): Wish {
    let wish = this.#wishes.get(name);
    if (!wish) {
      wish = { subscribe, settle: [] };
      this.#wishes.set(name, wish);
      if (this.#wishes.size === 1) setImmediate(() => this.#flush());
    }
    wish.subscribe = subscribe;
    return wish;
  }

  #flush(): void {
    const wishes = this.#wishes;
    this.#wishes = new Map();
    const wanted: string[] = [];
    const unwanted: string[] = [];
    for (const [name, { subscribe }] of wishes) (subscribe ? wanted : unwanted).push(name);
    if (unwanted.length > 0) void this.#link.unsubscribe(unwanted);
    const settle = (how: 'resolve' | 'reject', error?: unknown) => {
      for (const wish of wishes.values()) for (const waiting of wish.settle) waiting[how](error);
    };
    if (wanted.length === 0) settle('resolve');
    else
      this.#link.subscribe(wanted, this.#onMessage).then(
        () => settle('resolve'),
        (error: unknown) => settle('reject', error),
      );
  }
}
