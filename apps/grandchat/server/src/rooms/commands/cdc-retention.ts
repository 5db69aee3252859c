import type { Database } from 'carillon';
import type { Logger } from 'pino';

export interface CdcRetentionOptions {
  readonly db: Database;
  /** Milliseconds for which rows are kept. */
  readonly retention: number;
  readonly logger: Pick<Logger, 'error'>;
}

export const DEFAULT_CDC_RETENTION_MS = 7 * 24 * 3_600_000;

const SWEEP_MS = 3_600_000;
/** In one statement: its locks and its share of the log stay small. */
const ROWS_PER_STEP = 1_000;

/**
 * Deletes old rows of `chat_cdc`, which Kafka's connector leaves there: it reads the log, in which they stand as well. Carillon's
 * own reader deletes what it has carried out by itself, and leaves nothing to this.
 */
export class CdcRetention {
  readonly #options: CdcRetentionOptions;
  #timer: NodeJS.Timeout | undefined;
  #sweep: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CdcRetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#begin(), SWEEP_MS);
    this.#begin();
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#sweep;
  }

  #begin(): void {
    this.#sweep = this.sweep().catch((error) => {
      this.#options.logger.error({ err: error }, 'old rows of chat_cdc could not be deleted');
    });
  }

  /** One pass; gives back when nothing old is left, or when it was closed. */
  async sweep(): Promise<void> {
    const { db, retention } = this.#options;
    while (!this.#stopped) {
      // By id, which the table has an index on: the oldest are the first.
      const rows = await db.query(
        `WITH first AS (SELECT id, created_at FROM chat_cdc ORDER BY id LIMIT ${ROWS_PER_STEP})
         DELETE FROM chat_cdc USING first
         WHERE chat_cdc.id = first.id AND first.created_at < now() - $1::float8 * interval '1 millisecond' RETURNING chat_cdc.id`,
        [retention],
      );
      if (rows.length < ROWS_PER_STEP) return;
    }
  }
}
