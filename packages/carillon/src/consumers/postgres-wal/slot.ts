import pg from 'pg';
import type { PostgresWalOptions } from '../../config/config.ts';
import type { Database } from '../../storage/database.ts';
import { type Lsn, parseLsn } from './lsn.ts';

/** What keeps a consumer from reading the log, and what to do about it. */
export class WalSetupError extends Error {
  override name = 'WalSetupError';
}

/** The options with every name filled in. */
export interface WalSource {
  readonly slot: string;
  readonly publication: string;
  readonly schema: string;
  readonly table: string;
  /** Schema and table for SQL. */
  readonly quotedTable: string;
  /** The role that reads. */
  readonly user: string;
}

export interface SlotState {
  /** A reader has it. */
  readonly active: boolean;
  /** Nothing before it will be sent any more. */
  readonly confirmed: Lsn;
  /** Bytes of log behind the confirmed position. */
  readonly lag: number;
  /** Bytes of log on the server's disk that the slot keeps there. */
  readonly retained: number;
  /** `reserved`, `extended`, `unreserved` (about to be lost) or `lost`. */
  readonly walStatus: string;
}

const MIN_VERSION = 130_000;
const LEVEL_WORDS = "Run ALTER SYSTEM SET wal_level = 'logical', then restart PostgreSQL";

/** `carillon_<name>` unless the options name one. */
export function slotName(name: string, options: Pick<PostgresWalOptions, 'slot_name'>): string {
  return options.slot_name || `carillon_${name.toLowerCase()}`;
}

/**
 * Looks whether the database can be read in this way, and makes the publication where it is missing.
 * @throws WalSetupError when it cannot, with what to change
 */
export async function prepareSource(
  db: Database,
  name: string,
  options: PostgresWalOptions,
): Promise<WalSource> {
  if (db.kind !== 'postgres') {
    throw new WalSetupError(
      'postgresql_wal reads the log of a PostgreSQL server; the embedded database has none to be read: set postgresql_wal.dsn, or use the consumer type postgresql',
    );
  }
  const [server] = await db.query<{ wal_level: string; version: number; replica: boolean; user: string }>(
    `SELECT current_setting('wal_level') AS wal_level, pg_is_in_recovery() AS replica, current_user AS user,
       current_setting('server_version_num')::int AS version`,
  );
  if (!server || server.version < MIN_VERSION)
    throw new WalSetupError(`PostgreSQL is of version ${server?.version}: 13 or newer is needed`);
  if (server.replica)
    throw new WalSetupError('postgresql_wal.dsn names a replica: give the address of the primary');
  if (server.wal_level !== 'logical') {
    throw new WalSetupError(`wal_level is ${server.wal_level}, and must be logical. ${LEVEL_WORDS}`);
  }
  const { schema, table } = await findTable(db, options.table_name);
  const source = {
    slot: slotName(name, options),
    publication: options.publication_name || `carillon_${name.toLowerCase()}`,
    schema,
    table,
    quotedTable: `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`,
    user: server.user,
  };
  await preparePublication(db, source, options.create);
  return source;
}

async function findTable(db: Database, name: string): Promise<{ schema: string; table: string }> {
  const [found] = await db.query<{ schema: string; table: string }>(
    `SELECT n.nspname AS schema, c.relname AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p')`,
    [name],
  );
  if (!found) throw new WalSetupError(`postgresql_wal.table_name is ${JSON.stringify(name)}: no such table`);
  await db.query(`SELECT id, method, payload, partition FROM ${name} LIMIT 0`);
  return found;
}

async function preparePublication(db: Database, source: WalSource, create: boolean): Promise<void> {
  const { publication, quotedTable } = source;
  const name = pg.escapeIdentifier(publication);
  const sql = `CREATE PUBLICATION ${name} FOR TABLE ${quotedTable} WITH (publish = 'insert', publish_via_partition_root = true)`;
  const find = () =>
    db.query<{ inserts: boolean; covers: boolean }>(
      `SELECT pubinsert AS inserts, EXISTS (
         SELECT FROM pg_publication_tables t
         WHERE t.pubname = p.pubname AND t.schemaname = $2 AND t.tablename = $3) AS covers
       FROM pg_publication p WHERE pubname = $1`,
      [publication, source.schema, source.table],
    );
  let [found] = await find();
  if (!found) {
    if (!create)
      throw new WalSetupError(
        `publication ${name} is missing, and postgresql_wal.create is false: run ${sql}`,
      );
    try {
      await db.exec(sql);
    } catch (error) {
      // Another server of the cluster may make it at the same moment.
      if (!['42710', '23505'].includes((error as { code?: string }).code ?? '')) {
        throw new WalSetupError(
          `publication ${name} could not be made (${(error as Error).message}): as the owner of the table, with CREATE on the database, run ${sql}`,
          { cause: error },
        );
      }
    }
    [found] = await find();
  }
  if (found && !found.inserts)
    throw new WalSetupError(
      `publication ${name} does not publish inserts: run ALTER PUBLICATION ${name} SET (publish = 'insert')`,
    );
  if (!found?.covers)
    throw new WalSetupError(
      `publication ${name} is of other tables: run ALTER PUBLICATION ${name} ADD TABLE ${quotedTable}`,
    );
}

/**
 * Undefined when there is no such slot.
 * @throws WalSetupError when a slot of that name is of no use here
 */
export async function readSlot(db: Database, slot: string): Promise<SlotState | undefined> {
  const [row] = await db.query<{
    active: boolean;
    confirmed: string | null;
    lag: number | null;
    retained: number | null;
    wal_status: string | null;
    plugin: string | null;
    database: string | null;
    here: string;
  }>(
    `SELECT active, confirmed_flush_lsn::text AS confirmed, coalesce(wal_status, 'lost') AS wal_status, plugin, database,
       current_database() AS here,
       pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8 AS lag,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8 AS retained
     FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  if (!row) return undefined;
  if (row.plugin !== 'pgoutput')
    throw new WalSetupError(
      `slot ${slot} is ${row.plugin === null ? 'a physical one' : `of the plugin ${row.plugin}`}: set another postgresql_wal.slot_name`,
    );
  if (row.database !== row.here)
    throw new WalSetupError(
      `slot ${slot} is of the database ${row.database}, not of ${row.here}: set another postgresql_wal.slot_name`,
    );
  return {
    active: row.active,
    confirmed: row.confirmed === null ? 0n : parseLsn(row.confirmed),
    lag: row.lag ?? 0,
    retained: row.retained ?? 0,
    walStatus: row.wal_status ?? 'lost',
  };
}

/** What PostgreSQL says of replication, in words that say what to do; other errors as they are. */
export function explain(error: unknown, { slot, publication, user }: WalSource): Error {
  const { code, message } = error as Error & { code?: string };
  const because = { cause: error };
  if (code === '42501' && /wal ?sender|replication/i.test(message))
    return new WalSetupError(
      `the role ${JSON.stringify(user)} may not replicate (${message}): run ALTER ROLE ${pg.escapeIdentifier(user)} REPLICATION`,
      because,
    );
  if (code === '53400' || code === '53300')
    return new WalSetupError(
      `PostgreSQL has no place left for another slot or reader (${message}): raise max_replication_slots and max_wal_senders, and restart it`,
      because,
    );
  if (code === '55000' && message.includes('wal_level'))
    return new WalSetupError(`${message}. ${LEVEL_WORDS}`, because);
  if (code === '55000') return new WalSetupError(`${message}. ${lostWords(slot)}`, because);
  if (code === '42704' && message.includes('publication'))
    return new WalSetupError(
      `${message}: a slot needs its publication from the beginning. Make publication ${publication} again, and the slot: ${lostWords(slot)}`,
      because,
    );
  return error as Error;
}

/** What to do when the server has thrown away what a slot needs. */
export function lostWords(slot: string): string {
  return `Run SELECT pg_drop_replication_slot('${slot}'): the slot is then made anew, and rows that are still in the table are run first (postgresql_wal.existing_rows)`;
}
