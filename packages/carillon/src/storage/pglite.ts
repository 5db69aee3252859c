import { join } from 'node:path';
import { PGlite, type Transaction, types } from '@electric-sql/pglite';
import type { Database, NotifyListener, Queryable } from './database.ts';
import { lockFolder } from './folder-lock.ts';

const PARSERS = { [types.INT8]: (text: string) => Number(text) };

/**
 * Opens the embedded database.
 * @param dataDir folder that holds it, or undefined for one in memory (tests)
 * @throws FolderLockedError when another process has the folder
 */
export async function openPGlite(dataDir: string | undefined): Promise<Database> {
  const unlock = dataDir === undefined ? () => {} : lockFolder(dataDir);
  try {
    const options = { parsers: PARSERS };
    const db =
      dataDir === undefined
        ? await PGlite.create(options)
        : await PGlite.create(join(dataDir, 'database'), options);
    return new EmbeddedDatabase(db, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

class EmbeddedDatabase implements Database {
  readonly kind = 'pglite';
  readonly #db: PGlite;
  readonly #unlock: () => void;
  #closed: Promise<void> | undefined;

  constructor(db: PGlite, unlock: () => void) {
    this.#db = db;
    this.#unlock = unlock;
  }

  query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]> {
    return rowsOf<Row>(this.#db, text, params);
  }

  async exec(sql: string): Promise<void> {
    await this.#db.exec(sql);
  }

  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#db.transaction((tx) => work(queryableOf(tx))) as Promise<T>;
  }

  async listen(channel: string, listener: NotifyListener): Promise<() => Promise<void>> {
    // Unquoted names would be folded to lower case. PGlite's own unlisten misses quoted names, hence the flag.
    let active = true;
    const unlisten = await this.#db.listen(`"${channel.replaceAll('"', '""')}"`, (payload) => {
      if (active) listener(payload);
    });
    return async () => {
      active = false;
      await unlisten();
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#db.close().finally(this.#unlock);
    return this.#closed;
  }
}

function queryableOf(tx: Transaction): Queryable {
  return {
    query: (text, params) => rowsOf(tx, text, params),
    exec: async (sql) => {
      await tx.exec(sql);
    },
  };
}

async function rowsOf<Row>(on: PGlite | Transaction, text: string, params?: readonly unknown[]) {
  const result = await on.query<Row>(text, params ? [...params] : undefined);
  return result.rows;
}
