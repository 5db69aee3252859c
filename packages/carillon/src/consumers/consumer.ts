/** A source of commands for the server API: an outbox table, a Kafka topic, the database's log, a Redis stream. */
export interface Consumer {
  readonly name: string;
  /** @throws when the source cannot be read: better no start than a source that nobody empties */
  start(): Promise<void>;
  /** Stops taking, waits for the commands under way, lets go of every connection. */
  close(): Promise<void>;
}

/** Counted per consumer (consumers, section 1.4, and our own). */
export interface ConsumerCounters {
  /** Commands that are settled: carried out, parked or skipped. */
  processed(count: number): void;
  /** One attempt that failed. */
  failed(): void;
  /** Commands that can never succeed and are kept apart. */
  parked(count: number): void;
  /** How much the source holds that is not settled, of one partition or of all (`''`). */
  lag(unit: 'messages' | 'bytes', partition: string, value: number): void;
  /** Bytes that a slot keeps of the database's log. */
  retained(bytes: number): void;
}

/** A command as it came from a source, and where it came from. */
export interface SourceCommand {
  /** Empty when the body names it (consumers, section 1.1). */
  readonly method: string;
  /** Parsed JSON, or JSON text. */
  readonly body: unknown;
  readonly partition: number | string;
  /** Names the command in its partition for a person: a row's id, an offset. */
  readonly position: string;
  /** Why it can never run, where its source has seen that already. */
  readonly problem?: string;
}

/**
 * Runs one command against the server API. Rejects with an `ApiError`: of code 100 and status 503 while something that
 * the server stands on is away, of code 100 and status 500 when the server itself failed, of any other code when the
 * command never will succeed (consumers, section 1.3).
 */
export type Dispatch = (method: string, request: unknown) => Promise<object>;
