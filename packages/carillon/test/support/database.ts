import { randomBytes } from 'node:crypto';
import { suite } from 'node:test';
import pg from 'pg';
import type { Database } from '../../src/storage/database.ts';
import { openDatabase } from '../../src/storage/open.ts';

/** An empty database of its own, and how to get rid of it. */
export interface TestDatabase {
  readonly db: Database;
  /** Set for PostgreSQL: for tests that connect a second time. */
  readonly dsn?: string;
  drop(): Promise<void>;
}

export async function memoryDatabase(): Promise<TestDatabase> {
  const db = await openDatabase({ memory: true });
  return { db, drop: () => db.close() };
}

/** Creates a database in `admin`'s server, which is the test run's unless a test has one of its own. */
export async function createPostgresDatabase(
  admin = process.env.TEST_DATABASE_URL,
): Promise<{ dsn: string; drop: () => Promise<void> }> {
  if (!admin)
    throw new Error('TEST_DATABASE_URL is not set: run the tests by `npm test`, which starts PostgreSQL');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await runOnce(admin, `CREATE DATABASE ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { dsn: url.href, drop: () => runOnce(admin, `DROP DATABASE ${name} WITH (FORCE)`) };
}

/** The same, with a pool on it. */
export async function postgresDatabase(): Promise<TestDatabase & { dsn: string }> {
  const { dsn, drop } = await createPostgresDatabase();
  const db = await openDatabase({ dsn });
  return {
    db,
    dsn,
    drop: async () => {
      await db.close();
      await drop();
    },
  };
}

/** Why tests on PostgreSQL cannot run here, as `npm test --no-install` found; false when they can. */
export const withoutPostgres: string | false =
  process.env.TEST_MISSING_SERVICES?.split(',').includes('postgresql') === true && 'needs postgresql';

/** Runs the same suite on every database there is; `open` gives a fresh one each time it is called. */
export function eachDatabase(title: string, body: (open: () => Promise<TestDatabase>) => void): void {
  suite(`${title} on PGlite`, () => body(memoryDatabase));
  suite(`${title} on PostgreSQL`, { skip: withoutPostgres }, () => body(postgresDatabase));
}

async function runOnce(dsn: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
