import type { Database } from './database.ts';
import { openPGlite } from './pglite.ts';
import { openPostgres, type PostgresOptions } from './postgres.ts';

/** Where the data are: a PostgreSQL server, a folder for the embedded database, or memory for tests. */
export type DatabaseLocation = PostgresOptions | { dataDir: string } | { memory: true };

/**
 * Opens the database.
 * @throws FolderLockedError when another process holds `dataDir`; the driver's error when PostgreSQL refuses
 */
export function openDatabase(location: DatabaseLocation): Promise<Database> {
  if ('dsn' in location) return openPostgres(location);
  return openPGlite('dataDir' in location ? location.dataDir : undefined);
}
