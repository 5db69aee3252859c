import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';

/**
 * Warns of slots in the server's own database that a consumer has read once and that none of the configuration reads now:
 * who takes a consumer out of it would find the disk of PostgreSQL full weeks later.
 *
 * @param known slots of the consumers of the configuration, disabled ones included
 */
export async function warnOfForgottenSlots(
  db: Database,
  known: readonly string[],
  logger: Logger,
): Promise<void> {
  if (db.kind !== 'postgres') return;
  const [table] = await db.query<{ there: boolean }>(
    `SELECT to_regclass('carillon_wal_progress') IS NOT NULL AS there`,
  );
  if (!table?.there) return;
  const slots = await db.query<{ slot: string; retained: number }>(
    `SELECT s.slot_name AS slot,
            coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn), 0)::int8 AS retained
     FROM pg_replication_slots s JOIN carillon_wal_progress p ON p.slot = s.slot_name
     WHERE NOT s.active AND s.database = current_database() AND s.slot_name <> ALL($1::text[])`,
    [known],
  );
  for (const { slot, retained } of slots)
    logger.warn(
      { slot, retained },
      `no consumer of the configuration reads this slot, which keeps PostgreSQL's log from being removed: add its consumer again, or run SELECT pg_drop_replication_slot('${slot}')`,
    );
}
