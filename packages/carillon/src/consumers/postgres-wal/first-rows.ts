import pg from 'pg';
import type { Database } from '../../storage/database.ts';
import type { Partitions, WalRow } from './partitions.ts';
import { connectReplication } from './replication-stream.ts';
import type { WalSource } from './slot.ts';

export interface MakeSlotOptions {
  readonly dsn: string;
  readonly db: Database;
  readonly source: WalSource;
  /** Carries out the rows that are in the table already; undefined when they are to be left alone. */
  readonly runExisting: ((onSettled: (row: WalRow) => void) => Partitions) | undefined;
  /** Rows that may be under way at the same time. */
  readonly maxRows: number;
  readonly signal: AbortSignal;
  /** Told when there are rows to be run first, and when the server makes the slot wait. */
  readonly say: (fields: { readonly slot: string }, message: string) => void;
}

const PAGE_ROWS = 100;
const SLOW_MS = 5_000;
const NO_TIMEOUT = 'SET idle_in_transaction_session_timeout = 0';

/**
 * Makes the slot, and before it is there carries out what the table holds: a slot sends only what is committed after its
 * beginning, so whatever is older would be lost, and by trimming even deleted.
 *
 * *Beginning*: a temporary slot is made, which also gives a snapshot with exactly the rows that the slot will not send.
 * *Running*: those rows are carried out, in order, and deleted as they are settled. *Keeping*: the temporary slot is
 * copied to the lasting one. A death before that leaves nothing behind (a temporary slot goes with its connection), and
 * the next reader begins anew with the rows that are left. The temporary slot's name is the lock: one reader can have it.
 *
 * @returns whether the slot is there now; false when another reader is making it, or `signal` came first
 * @throws the server's error
 */
export async function makeSlot(options: MakeSlotOptions): Promise<boolean> {
  const { dsn, source, signal, say } = options;
  const temporary = `${source.slot}_new`;
  const client = await connectReplication(dsn);
  const onAbort = () => void client.end().catch(() => {});
  signal.addEventListener('abort', onAbort);
  const slow = setTimeout(
    () =>
      say(
        { slot: source.slot },
        'consumer: the slot is made when all transactions that write now have ended',
      ),
    SLOW_MS,
  );
  try {
    // Both ends of the snapshot stay in a transaction for as long as the rows take.
    await client.query(NO_TIMEOUT);
    const made = await client.query<{ snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${pg.escapeIdentifier(temporary)} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
    );
    clearTimeout(slow);
    const { snapshot_name: snapshot } = made.rows[0] as { snapshot_name: string };
    if (options.runExisting) await runRows(options, options.runExisting, snapshot);
    if (signal.aborted) return false;
    await client.query(
      `SELECT pg_copy_logical_replication_slot(${pg.escapeLiteral(temporary)}, ${pg.escapeLiteral(source.slot)}, false)`,
    );
    return true;
  } catch (error) {
    // 42710: it is there already; 55006: somebody is at it.
    if (['42710', '55006'].includes((error as { code?: string }).code ?? '') || signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(slow);
    signal.removeEventListener('abort', onAbort);
    await client.end().catch(() => {});
  }
}

async function runRows(
  { db, source, signal, say, maxRows }: MakeSlotOptions,
  runExisting: NonNullable<MakeSlotOptions['runExisting']>,
  snapshot: string,
): Promise<void> {
  let settled: string[] = [];
  const partitions = runExisting(({ id }) => settled.push(id));
  const deleteSettled = async () => {
    const ids = settled;
    settled = [];
    await db.query(`DELETE FROM ${source.quotedTable} WHERE id = ANY($1::bigint[])`, [ids]);
  };
  const stop = () => void partitions.stop();
  signal.addEventListener('abort', stop);
  try {
    await db.transaction(async (tx) => {
      await tx.exec(
        `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT ${pg.escapeLiteral(snapshot)};
         ${NO_TIMEOUT.replace('SET', 'SET LOCAL')}`,
      );
      let last = '0';
      while (!signal.aborted) {
        const rows: WalRow[] = await tx.query<WalRow>(
          `SELECT id::text, coalesce(method, '') AS method, payload::text, coalesce(partition::text, '') AS partition,
             pg_typeof(payload)::text LIKE 'json%' AS "isJson"
           FROM ${source.quotedTable} AS t WHERE t.id > $1::bigint ORDER BY t.id LIMIT ${PAGE_ROWS}`,
          [last],
        );
        if (rows.length === 0) break;
        if (last === '0')
          say(
            { slot: source.slot },
            'consumer: rows from before the slot are in the table, and are run first',
          );
        last = (rows.at(-1) as WalRow).id;
        for (const row of rows) partitions.add(row);
        await partitions.untilAtMost(Math.max(0, maxRows - PAGE_ROWS));
        await deleteSettled();
      }
      await partitions.untilAtMost(0);
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await partitions.stop();
    await deleteSettled();
  }
}
