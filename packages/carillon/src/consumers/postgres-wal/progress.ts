import type { Database, Migration } from '../../storage/database.ts';
import { migrate } from '../../storage/migrate.ts';
import type { SettledNote } from './wal-position.ts';

const MIGRATIONS: readonly Migration[] = [
  {
    name: '001_wal_progress',
    sql: `CREATE TABLE carillon_wal_progress (
      slot text PRIMARY KEY,
      -- System identifier and timeline: places in the log mean something in this history alone.
      history text NOT NULL,
      settled jsonb NOT NULL,
      noted_at timestamptz NOT NULL DEFAULT now()
    );`,
  },
];

/**
 * What a slot's reader has settled, in the table `carillon_wal_progress` of the database that the slot is in.
 *
 * The slot itself remembers one position, and after a crash of PostgreSQL an older one. The note keeps what was settled
 * beyond it from being carried out again. It is never needed for nothing to be lost: without it more is repeated.
 */
export class WalProgress {
  readonly #db: Database;
  readonly #slot: string;

  constructor(db: Database, slot: string) {
    this.#db = db;
    this.#slot = slot;
  }

  /** Makes the table. @throws in words when the database does not let it */
  async open(): Promise<void> {
    await migrate(this.#db, 'carillon_consumers_wal', MIGRATIONS).catch((error: Error) => {
      throw new Error(`the table carillon_wal_progress could not be made: ${error.message}`, {
        cause: error,
      });
    });
  }

  /** Undefined when there is none, or one of another history (the server is another one, or was a replica then). */
  async load(history: string): Promise<SettledNote | undefined> {
    const [row] = await this.#db.query<{ settled: SettledNote }>(
      'SELECT settled FROM carillon_wal_progress WHERE slot = $1 AND history = $2',
      [this.#slot, history],
    );
    return row?.settled;
  }

  async save(history: string, settled: SettledNote): Promise<void> {
    await this.#db.query(
      `INSERT INTO carillon_wal_progress (slot, history, settled) VALUES ($1, $2, $3::jsonb)
       ON CONFLICT (slot) DO UPDATE SET history = excluded.history, settled = excluded.settled, noted_at = now()`,
      [this.#slot, history, JSON.stringify(settled)],
    );
  }
}
