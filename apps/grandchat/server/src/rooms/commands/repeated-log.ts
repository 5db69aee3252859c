export interface RepeatedLogOptions {
  /** Writes one line; `further` is how many more there were of its kind since the line before. */
  readonly write: (fields: object) => void;
  /** From one line of a kind to the next. */
  readonly everyMs: number;
}

interface Kind {
  last: object;
  /** Since the last line. */
  count: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Says what happens again and again: the first time at once, then now and then, with how often. During an outage each
 * event of each room would have a line else.
 */
export class RepeatedLog {
  readonly #options: RepeatedLogOptions;
  readonly #kinds = new Map<string, Kind>();

  constructor(options: RepeatedLogOptions) {
    this.#options = options;
  }

  /** @param kind what is said once for all that share it, such as the reason */
  note(kind: string, fields: object): void {
    const known = this.#kinds.get(kind);
    if (known) {
      known.last = fields;
      known.count += 1;
      return;
    }
    const { write, everyMs } = this.#options;
    write(fields);
    const timer = setInterval(() => this.#next(kind), everyMs).unref();
    this.#kinds.set(kind, { last: fields, count: 0, timer });
  }

  /** Says what has not been said yet. */
  close(): void {
    for (const kind of this.#kinds.values()) {
      clearInterval(kind.timer);
      this.#write(kind);
    }
    this.#kinds.clear();
  }

  /** What has not happened since the last line is forgotten, so that its next time is said at once. */
  #next(name: string): void {
    const kind = this.#kinds.get(name) as Kind;
    if (kind.count > 0) this.#write(kind);
    else {
      clearInterval(kind.timer);
      this.#kinds.delete(name);
    }
  }

  #write(kind: Kind): void {
    const { last, count } = kind;
    if (count > 0) this.#options.write({ ...last, further: count - 1 });
    kind.count = 0;
  }
}
