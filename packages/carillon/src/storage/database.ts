/**
 * The one interface behind which PGlite (embedded) and PostgreSQL (by DSN) stand.
 *
 * Value rules, the same on both: `int8` comes back as a JS number, `timestamptz` as a Date, `json`/`jsonb`
 * parsed, `bytea` as Uint8Array. JSON goes in as a string with a cast (`$1::jsonb`); a set of rows goes in as one
 * JSON parameter (`jsonb_to_recordset($1::jsonb)`) or as arrays (`unnest($1::text[])`).
 */
export interface Queryable {
  /** Runs one statement with positional parameters and gives back its rows (`RETURNING` included). */
  query<Row = Record<string, unknown>>(text: string, params?: readonly unknown[]): Promise<Row[]>;
  /** Several statements without parameters, for migrations. */
  exec(sql: string): Promise<void>;
}

/** Called with the payload of a NOTIFY, or with `undefined` after a lost connection came back. */
export type NotifyListener = (payload: string | undefined) => void;

export interface Database extends Queryable {
  /** `pglite` has one connection: a transaction there excludes everybody else, so never wait for them inside. */
  readonly kind: 'pglite' | 'postgres';
  /**
   * Runs `work` in one READ COMMITTED transaction; a throw rolls back. What PostgreSQL ends because of a deadlock is run
   * again, so `work` must do nothing that is not rolled back with it.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** LISTEN on a channel, re-established after a lost connection. The returned function stops listening. */
  listen(channel: string, listener: NotifyListener): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** A numbered step of a schema; applied once, in order, and never changed after it has landed. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}
