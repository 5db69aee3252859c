import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { type Lsn, parseLsn } from './lsn.ts';

export interface TrimmerOptions {
  readonly name: string;
  readonly db: Database;
  /** For SQL. */
  readonly quotedTable: string;
  /** Milliseconds between looks at the table. */
  readonly interval: number;
  readonly confirmed: () => Lsn;
  /** Asks the server to say how far it has looked, so that the confirmed position moves on over what is not ours. */
  readonly ping: () => void;
  readonly logger: Logger;
}

const BATCH_ROWS = 10_000;
const DELETE_ROWS = 1_000;
const MAX_WAIT_MS = 100;

/**
 * Deletes rows whose commands have taken effect.
 *
 * A row's id does not say when it was committed: one with a low id may come after many with higher ones. So a batch is
 * what could be seen in the table, and then the end of the log is asked for: whatever could be seen stands before it. When
 * that place is confirmed, every row of the batch has taken effect, and the batch is deleted by its ids, and nothing but
 * it. Rows that an earlier reader left behind are among what can be seen, and go in the same way.
 */
export class Trimmer {
  readonly #options: TrimmerOptions;
  readonly #timer: NodeJS.Timeout;
  #batch: { readonly ids: readonly number[]; readonly end: Lsn } | undefined;
  #turn: Promise<void> = Promise.resolve();
  #busy = false;
  #failing = false;
  #lookedAt = 0;

  constructor(options: TrimmerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), Math.min(options.interval, MAX_WAIT_MS));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#turn;
  }

  #tick(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#turn = this.#advance()
      .then(
        () => {
          this.#failing = false;
        },
        (error) => {
          if (!this.#failing)
            this.#options.logger.warn(
              { err: error, consumer: this.#options.name },
              'consumer: rows that are done could not be deleted, will try again',
            );
          this.#failing = true;
        },
      )
      .finally(() => {
        this.#busy = false;
      });
  }

  async #advance(): Promise<void> {
    const { db, quotedTable, interval, confirmed, ping } = this.#options;
    if (this.#batch) {
      if (confirmed() < this.#batch.end) {
        ping();
        return;
      }
      const { ids } = this.#batch;
      for (let from = 0; from < ids.length; from += DELETE_ROWS) {
        await db.query(`DELETE FROM ${quotedTable} WHERE id = ANY($1::bigint[])`, [
          ids.slice(from, from + DELETE_ROWS),
        ]);
      }
      this.#batch = undefined;
      if (ids.length === BATCH_ROWS) this.#lookedAt = 0;
    }
    const now = performance.now();
    if (this.#lookedAt > 0 && now - this.#lookedAt < interval) return;
    this.#lookedAt = now;
    const rows = await db.query<{ id: number }>(`SELECT id FROM ${quotedTable} ORDER BY id LIMIT $1`, [
      BATCH_ROWS,
    ]);
    if (rows.length === 0) return;
    const [log] = await db.query<{ end: string }>('SELECT pg_current_wal_insert_lsn()::text AS "end"');
    this.#batch = { ids: rows.map(({ id }) => id), end: parseLsn((log as { end: string }).end) };
  }
}
