import type { StoredPush } from '../queue/stored-push.ts';

const MAX_PUSHES = 500;
/** Far below the time for which a `uid` is remembered: another push under the same one must not find this one here. */
const MAX_AGE_MS = 60_000;

/** Pushes of the jobs under way. What can change of a push, its cancellation, comes with each job instead. */
export class PushCache {
  readonly #load: (uid: string) => Promise<StoredPush | undefined>;
  readonly #pushes = new Map<
    string,
    { readonly at: number; readonly push: Promise<StoredPush | undefined> }
  >();

  constructor(load: (uid: string) => Promise<StoredPush | undefined>) {
    this.#load = load;
  }

  /** Undefined when it is unknown. */
  load(uid: string): Promise<StoredPush | undefined> {
    const now = performance.now();
    const known = this.#pushes.get(uid);
    if (known && now - known.at < MAX_AGE_MS) return known.push;
    this.#forgetOld(now);
    const push = this.#load(uid);
    this.#pushes.delete(uid);
    this.#pushes.set(uid, { at: now, push });
    const forget = () => this.#pushes.delete(uid);
    push.then((found) => found ?? forget(), forget);
    return push;
  }

  /** Entries are in the order of their age. */
  #forgetOld(now: number): void {
    for (const [uid, { at }] of this.#pushes) {
      if (this.#pushes.size < MAX_PUSHES && now - at < MAX_AGE_MS) return;
      this.#pushes.delete(uid);
    }
  }
}
