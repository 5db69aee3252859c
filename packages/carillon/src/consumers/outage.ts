import type { Logger } from '../logger.ts';

const REPEAT_MS = 30_000;

/** Says once that a source cannot be used for something, again now and then, and once that it can be again. */
export class Outage {
  readonly #consumer: string;
  /** The source's name, for words. */
  readonly #source: string;
  readonly #describe: (error: unknown) => string;
  readonly #logger: Logger;
  readonly #said = new Map<string, { since: number; last: number }>();

  constructor(
    consumer: string,
    source: string,
    logger: Logger,
    describe = (error: unknown) => (error as Error).message,
  ) {
    this.#consumer = consumer;
    this.#source = source;
    this.#logger = logger;
    this.#describe = describe;
  }

  /** `what` is affected: the group, commits, a partition. */
  note(what: string, error: unknown): void {
    const now = performance.now();
    const said = this.#said.get(what);
    if (said && now - said.last < REPEAT_MS) return;
    this.#said.set(what, { since: said?.since ?? now, last: now });
    this.#logger.warn(
      { consumer: this.#consumer, what, reason: this.#describe(error) },
      `consumer: ${this.#source} does not answer as it should, will try again`,
    );
  }

  over(what: string): void {
    const said = this.#said.get(what);
    if (!said) return;
    this.#said.delete(what);
    const seconds = Math.round((performance.now() - said.since) / 1_000);
    this.#logger.info({ consumer: this.#consumer, what, seconds }, `consumer: ${this.#source} answers again`);
  }
}
