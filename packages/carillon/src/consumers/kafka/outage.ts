import type { Logger } from '../../logger.ts';
import { describeKafkaError } from './client.ts';

const REPEAT_MS = 30_000;

/** Says once that Kafka cannot be used for something, again now and then, and once that it can be again. */
export class Outage {
  readonly #name: string;
  readonly #logger: Logger;
  readonly #said = new Map<string, { since: number; last: number }>();

  constructor(name: string, logger: Logger) {
    this.#name = name;
    this.#logger = logger;
  }

  /** `what` is affected: the group, commits, a partition. */
  note(what: string, error: unknown): void {
    const now = performance.now();
    const said = this.#said.get(what);
    if (said && now - said.last < REPEAT_MS) return;
    this.#said.set(what, { since: said?.since ?? now, last: now });
    this.#logger.warn(
      { consumer: this.#name, what, reason: describeKafkaError(error) },
      'consumer: Kafka does not answer as it should, will try again',
    );
  }

  over(what: string): void {
    const said = this.#said.get(what);
    if (!said) return;
    this.#said.delete(what);
    const seconds = Math.round((performance.now() - said.since) / 1_000);
    this.#logger.info({ consumer: this.#name, what, seconds }, 'consumer: Kafka answers again');
  }
}
