import type { Gate } from '../gate.ts';
import { RemovalGuard } from '../removal-guard.ts';

/** A real app has few topics; more come from messages. */
const MAX_TOPICS = 64;

/** What is known of a topic: one that is not allowed stops its own messages, and its bad tokens speak for it alone. */
export interface Topic {
  readonly gate: Gate;
  readonly guard: RemovalGuard;
}

/** The topics that were sent to lately. */
export class Topics {
  readonly #newGate: () => Gate;
  readonly #topics = new Map<string, Topic>();

  constructor(newGate: () => Gate) {
    this.#newGate = newGate;
  }

  get(name: string): Topic {
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { gate: this.#newGate(), guard: new RemovalGuard() };
      if (this.#topics.size >= MAX_TOPICS) this.#topics.delete(this.#topics.keys().next().value as string);
      this.#topics.set(name, topic);
    }
    return topic;
  }
}
