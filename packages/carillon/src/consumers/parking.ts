import type { Logger } from '../logger.ts';
import type { Database, Migration, Queryable } from '../storage/database.ts';
import { migrate } from '../storage/migrate.ts';
import type { SourceCommand } from './consumer.ts';

export interface ParkedCommand extends SourceCommand {
  /** Why it can never succeed. */
  readonly reason: string;
}

/** Where commands that can never succeed are kept, with the reason, until a person has looked at them. */
export interface ParkingLot {
  /** Keeps a command; the same one again (its source repeats what it cannot be sure of) changes nothing. */
  park(consumer: string, command: ParkedCommand): Promise<void>;
}

const RETENTION_DAYS = 30;
const SWEEP_MS = 3_600_000;

const MIGRATIONS: readonly Migration[] = [
  {
    name: '001_parked_commands',
    sql: `
      CREATE TABLE carillon_parked_commands (
        id bigserial PRIMARY KEY,
        consumer text NOT NULL,
        partition text NOT NULL,
        position text NOT NULL,
        method text NOT NULL,
        payload text NOT NULL,
        reason text NOT NULL,
        parked_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (consumer, partition, position)
      );
      CREATE INDEX carillon_parked_commands_time ON carillon_parked_commands (parked_at);`,
  },
];

/** Parks in the table `carillon_parked_commands`, for 30 days. */
export class DatabaseParkingLot implements ParkingLot {
  readonly #db: Database;
  readonly #logger: Logger;
  #sweep: NodeJS.Timeout | undefined;

  constructor(db: Database, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
  }

  /** Makes the table. @throws in words when the database does not let it */
  async open(): Promise<void> {
    await migrate(this.#db, 'carillon_consumers', MIGRATIONS).catch((error: Error) => {
      throw new Error(`the table carillon_parked_commands could not be made: ${error.message}`, {
        cause: error,
      });
    });
    this.#sweep = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#sweep.unref();
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  /** `on` is a transaction to be part of. */
  async park(consumer: string, command: ParkedCommand, on: Queryable = this.#db): Promise<void> {
    const { partition, position, method, body, reason } = command;
    const payload = typeof body === 'string' ? body : (JSON.stringify(body) ?? '');
    await on.query(
      `INSERT INTO carillon_parked_commands (consumer, partition, position, method, payload, reason)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (consumer, partition, position) DO NOTHING`,
      // PostgreSQL's text cannot hold NUL.
      [consumer, partition, position, method, payload, reason].map((value) =>
        String(value).replaceAll('\0', '\uFFFD'),
      ),
    );
  }

  /** Forgets what has been there for longer than anybody will look for it. */
  async sweep(): Promise<void> {
    try {
      await this.#db.query('DELETE FROM carillon_parked_commands WHERE parked_at < now() - $1::interval', [
        `${RETENTION_DAYS} days`,
      ]);
    } catch (error) {
      this.#logger.warn({ err: error }, 'old parked commands could not be removed');
    }
  }
}

/** For a server without a database: the log alone keeps what was parked, with its position but without its payload. */
export const NO_PARKING_LOT: ParkingLot = { park: async () => {} };
