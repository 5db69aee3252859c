import { openDatabase } from '../../storage/open.ts';
import type { Consumer } from '../consumer.ts';
import type { BuildContext } from '../start.ts';
import { PostgresWalConsumer } from './consumer.ts';
import { slotName } from './slot.ts';
import { SlotWatch } from './slot-watch.ts';

/** For the slot's state, notes, parking, trimming and the rows that are there first. */
const POOL_SIZE = 6;
const DISABLED_WATCH_MS = 60_000;

export async function buildPostgresWal(context: BuildContext): Promise<Consumer> {
  const { config, ownDb, ownDsn, runner, counters, logger } = context;
  const { name, postgresql_wal: options } = config;
  const db = options.dsn ? await context.openPool(options.dsn, POOL_SIZE) : ownDb;
  if (!db) throw new Error(`consumer ${name} has no database`);
  const dsn = options.dsn || ownDsn;
  // Not on the embedded database: the consumer refuses it, with the reason.
  const parking = db.kind === 'postgres' ? await context.openParking(db) : await context.openOwnParking();
  return new PostgresWalConsumer({ name, options, dsn, db, runner, parking, counters, logger });
}

/** A disabled consumer's slot would fill the disk of PostgreSQL unnoticed: it is watched. Gives back how to stop. */
export async function watchDisabledWal(
  context: Pick<BuildContext, 'config' | 'ownDb' | 'counters' | 'logger'>,
): Promise<() => Promise<void>> {
  const { config, ownDb, counters, logger } = context;
  const { name, postgresql_wal: options } = config;
  const pool = options.dsn
    ? await openDatabase({ dsn: options.dsn, poolSize: 1 }).catch((error: Error) => {
        logger.info(
          { consumer: name, reason: error.message },
          'consumer is disabled, and whether it has a slot cannot be seen',
        );
      })
    : undefined;
  const db = options.dsn ? pool : ownDb;
  if (db?.kind !== 'postgres') return async () => {};
  const watch = new SlotWatch({
    name,
    slot: slotName(name, options),
    db,
    enabled: false,
    lagWarningSize: options.lag_warning_size,
    interval: DISABLED_WATCH_MS,
    counters,
    logger,
  });
  return async () => {
    await watch.stop();
    await pool?.close();
  };
}
