/**
 * The next few of a sequence; what comes after them is made only when it is their turn. Thousands of objects that wait for
 * theirs are copied twice by the garbage collector.
 */
export class Upcoming<T> {
  readonly #rest: Iterator<T>;
  readonly #most: number;
  readonly #next: T[] = [];

  /** @param most that are looked ahead */
  constructor(all: Iterable<T>, most: number) {
    this.#rest = all[Symbol.iterator]();
    this.#most = most;
  }

  /** How many can be taken before the next are made; 0 when there are no more. */
  get count(): number {
    if (this.#next.length < this.#most) this.#fill();
    return this.#next.length;
  }

  /** To be called no more often than `count` said. */
  take(): T {
    return this.#next.shift() as T;
  }

  #fill(): void {
    while (this.#next.length < this.#most) {
      const { done, value } = this.#rest.next();
      if (done) return;
      this.#next.push(value);
    }
  }
}
