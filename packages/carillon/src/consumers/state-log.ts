import type { Logger } from '../logger.ts';

/** Logs in which state a consumer is: each time the words or the reason differ from what was said last, and not otherwise. */
export class StateLog {
  readonly #consumer: string;
  readonly #logger: Logger;
  #said = '';

  constructor(consumer: string, logger: Logger) {
    this.#consumer = consumer;
    this.#logger = logger;
  }

  say(
    level: 'info' | 'warn' | 'error',
    fields: { readonly reason?: string; readonly [name: string]: string | undefined },
    message: string,
  ): void {
    const said = `${message} ${fields.reason ?? ''}`;
    if (said === this.#said) return;
    this.#said = said;
    this.#logger[level]({ consumer: this.#consumer, ...fields }, message);
  }
}
