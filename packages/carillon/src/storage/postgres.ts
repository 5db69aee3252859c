import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { UnavailableError } from '../errors.ts';
import type { Database, NotifyListener, Queryable } from './database.ts';
import { PostgresListener } from './postgres-listener.ts';

const INT8 = 20;
const INT8_ARRAY = 1016;

/** int8 as numbers: our ids and counts stay far below 2^53. */
const TYPES = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8) return Number;
    const parse = pg.types.getTypeParser(oid, format as 'text');
    if (oid === INT8_ARRAY) return (text: string) => (parse(text) as unknown as string[]).map(Number);
    return parse;
  },
} as pg.CustomTypesConfig;

export interface PostgresOptions {
  dsn: string;
  /** Connections in the pool; the LISTEN connection comes on top. */
  poolSize?: number;
  /** Told of connections that break while idle; the pool replaces them by itself. */
  onError?: (error: Error) => void;
}

/** Opens a pool on PostgreSQL and proves that it answers; rejects with the driver's error if it does not. */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: options.dsn,
    max: options.poolSize ?? 16,
    types: TYPES,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    application_name: 'carillon',
  });
  pool.on('error', (error) => options.onError?.(error));
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    await pool.end();
    throw error;
  }
  return new PostgresDatabase(pool, new PostgresListener(options.dsn, options.onError));
}

class PostgresDatabase implements Database {
  readonly kind = 'postgres';
  readonly #pool: pg.Pool;
  readonly #listener: PostgresListener;
  #closed: Promise<void> | undefined;

  constructor(pool: pg.Pool, listener: PostgresListener) {
    this.#pool = pool;
    this.#listener = listener;
  }

  query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]> {
    return repeated(() => rowsOf<Row>(this.#pool, text, params));
  }

  async exec(sql: string): Promise<void> {
    await this.#pool.query(sql);
  }

  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return repeated(() => this.#transaction(work));
  }

  async #transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error) => {
      throw asUnavailable(error);
    });
    let broken: Error | undefined;
    // A connection that dies between two statements emits 'error'; without a listener that ends the process.
    const onError = (error: Error) => {
      broken = error;
    };
    client.on('error', onError);
    try {
      await client.query('BEGIN');
      const result = await work({
        query: (text, params) => rowsOf(client, text, params),
        exec: async (sql) => {
          await client.query(sql);
        },
      });
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      throw asUnavailable(error);
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  listen(channel: string, listener: NotifyListener): Promise<() => Promise<void>> {
    return this.#listener.listen(channel, listener);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#listener.close();
      await this.#pool.end();
    })();
    return this.#closed;
  }
}

async function rowsOf<Row>(on: pg.Pool | pg.PoolClient, text: string, params?: readonly unknown[]) {
  try {
    const result = await on.query(text, params as unknown[]);
    return result.rows as Row[];
  } catch (error) {
    throw asUnavailable(error);
  }
}

const MAX_TURNS = 4;
/** The other one is to have what it waited for before this one is back. */
const TURN_PAUSE_MS = 20;
/** Deadlock, and what two transactions cannot both have done. */
const LOST_RACES = new Set(['40P01', '40001']);

/** PostgreSQL ends one of two that wait for each other, and rolls it back whole: it is run again. */
async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let turn = 1; ; turn++) {
    try {
      return await work();
    } catch (error) {
      if (turn === MAX_TURNS || !LOST_RACES.has((error as { code?: string }).code ?? '')) throw error;
      await sleep(TURN_PAUSE_MS * turn * (0.5 + Math.random()));
    }
  }
}

/**
 * Classes of SQLSTATE: connection exceptions, resources at their end, operator's intervention (shutdown, start-up), and a
 * server that has become a replica.
 */
const UNAVAILABLE_STATES = /^(08...|53...|57P0[1-5]|25006)$/;
const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'ENOENT',
]);
/** What the driver says without a code. */
const UNAVAILABLE_WORDS =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/;

function asUnavailable(error: unknown): unknown {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  const unavailable =
    UNAVAILABLE_STATES.test(code) || UNAVAILABLE_CODES.has(code) || UNAVAILABLE_WORDS.test(message);
  return unavailable ? new UnavailableError('PostgreSQL', error) : error;
}
