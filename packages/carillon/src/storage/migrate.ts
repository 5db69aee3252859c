import type { Database, Migration } from './database.ts';

const LOCK_ID = 7_207_911;

/**
 * Brings a schema up to date. Migrations of one `scope` run in order, each in the same transaction as the note that it
 * ran; several processes that start at once wait for each other. Gives back the names that were applied now.
 */
export async function migrate(
  db: Database,
  scope: string,
  migrations: readonly Migration[],
): Promise<string[]> {
  return db.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1::bigint)', [LOCK_ID]);
    await tx.exec(`CREATE TABLE IF NOT EXISTS carillon_migrations (
      scope text NOT NULL,
      name text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (scope, name)
    )`);
    const rows = await tx.query<{ name: string }>('SELECT name FROM carillon_migrations WHERE scope = $1', [
      scope,
    ]);
    const done = new Set(rows.map((row) => row.name));
    const applied: string[] = [];
    for (const { name, sql } of migrations) {
      if (done.has(name)) continue;
      await tx.exec(sql);
      await tx.query('INSERT INTO carillon_migrations (scope, name) VALUES ($1, $2)', [scope, name]);
      applied.push(name);
    }
    return applied;
  });
}
