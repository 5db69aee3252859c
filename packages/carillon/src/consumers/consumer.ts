/** A source of commands for the server API: an outbox table today. */
export interface Consumer {
  readonly name: string;
  start(): Promise<void>;
  /** Stops taking, waits for the command under way, lets go of every connection. */
  close(): Promise<void>;
}

/** Counted per consumer for `centrifugo_consumers_*` (consumers, section 1.4). */
export interface ConsumerCounters {
  processed(count: number): void;
  failed(): void;
}

/**
 * Runs one command against the server API. Rejects with `code: 100` when the same call may succeed later, with any
 * other error when it never will (consumers, section 1.3).
 */
export type Dispatch = (method: string, request: unknown) => Promise<object>;
