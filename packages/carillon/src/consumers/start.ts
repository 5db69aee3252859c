import type { Config, ConsumerConfig } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../storage/database.ts';
import { openDatabase } from '../storage/open.ts';
import { CommandRunner } from './command-runner.ts';
import type { Consumer, ConsumerCounters, Dispatch } from './consumer.ts';
import { KafkaConsumer } from './kafka/kafka-consumer.ts';
import { DatabaseParkingLot, NO_PARKING_LOT, type ParkingLot } from './parking.ts';
import { PostgresOutboxConsumer } from './postgres-outbox.ts';
import { buildPostgresWal, watchDisabledWal } from './postgres-wal/build.ts';
import { warnOfForgottenSlots } from './postgres-wal/forgotten-slots.ts';
import { slotName } from './postgres-wal/slot.ts';
import { RedisStreamConsumer } from './redis-stream/redis-stream-consumer.ts';

export interface ConsumersOptions {
  readonly config: Pick<Config, 'consumers' | 'database'>;
  /** The server's own database, for consumers without a DSN. */
  readonly db: Database | undefined;
  readonly dispatch: Dispatch;
  readonly isAllowed: (method: string) => boolean;
  readonly metrics: { consumerCounters(name: string): ConsumerCounters };
  readonly logger: Logger;
}

/** What a consumer is built with. */
export interface BuildContext {
  readonly config: ConsumerConfig;
  /** The server's own database. */
  readonly ownDb: Database | undefined;
  /** Empty when that is the embedded one. */
  readonly ownDsn: string;
  readonly runner: CommandRunner;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
  /** A pool that is closed after the consumer. */
  openPool(dsn: string, poolSize: number): Promise<Database>;
  /** Parks in `db`. */
  openParking(db: Database): Promise<DatabaseParkingLot>;
  /** Parks in the server's own database; without one the log alone knows. */
  openOwnParking(): Promise<ParkingLot>;
}

const BUILDERS: Readonly<
  Record<ConsumerConfig['type'], (context: BuildContext) => Consumer | Promise<Consumer>>
> = {
  postgresql: buildPostgresOutbox,
  postgresql_wal: buildPostgresWal,
  kafka: buildKafka,
  redis_stream: buildRedisStream,
};

/**
 * Starts every enabled consumer; gives back how to stop them all.
 * @throws when one cannot start (consumers, section 1)
 */
export async function startConsumers(options: ConsumersOptions): Promise<() => Promise<void>> {
  const { logger } = options;
  const closers: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const parkingLots = new Map<Database, Promise<DatabaseParkingLot>>();
  const openParking = (db: Database) => {
    let lot = parkingLots.get(db);
    if (!lot) {
      const opened = new DatabaseParkingLot(db, logger);
      closers.push(() => opened.close());
      lot = opened.open().then(() => opened);
      parkingLots.set(db, lot);
    }
    return lot;
  };
  try {
    for (const config of options.config.consumers) {
      const { name, enabled, type } = config;
      const { db: ownDb } = options;
      const counters = options.metrics.consumerCounters(name);
      if (!enabled) {
        logger.info({ consumer: name }, 'consumer is disabled');
        if (type === 'postgresql_wal')
          closers.push(await watchDisabledWal({ config, ownDb, counters, logger }));
        continue;
      }
      const { dispatch, isAllowed } = options;
      const consumer = await BUILDERS[type]({
        config,
        ownDb,
        ownDsn: options.config.database.postgresql.dsn,
        counters,
        logger,
        runner: new CommandRunner({
          name,
          dispatch,
          isAllowed,
          maxAttempts: config.max_attempts,
          counters,
          logger,
        }),
        async openPool(dsn, poolSize) {
          const onError = (error: Error) =>
            logger.error({ err: error, consumer: name }, 'consumer: connection lost');
          const db = await openDatabase({ dsn, poolSize, onError });
          closers.push(() => db.close());
          return db;
        },
        openParking,
        openOwnParking: async () => (ownDb ? openParking(ownDb) : NO_PARKING_LOT),
      });
      closers.push(() => consumer.close());
      await consumer.start();
      logger.info({ consumer: name, type }, 'consumer started');
    }
    const slots = options.config.consumers
      .filter(({ type }) => type === 'postgresql_wal')
      .map(({ name, postgresql_wal }) => slotName(name, postgresql_wal));
    // To look is no condition for running.
    if (options.db)
      await warnOfForgottenSlots(options.db, slots, logger).catch((error: Error) => {
        logger.info({ reason: error.message }, 'whether slots are left behind cannot be seen');
      });
    return close;
  } catch (error) {
    await close();
    throw error;
  }
}

async function buildPostgresOutbox(context: BuildContext): Promise<Consumer> {
  const { config, ownDb, runner, counters, logger } = context;
  const { name, postgresql: options } = config;
  const db = options.dsn ? await context.openPool(options.dsn, options.num_partitions + 1) : ownDb;
  if (!db) throw new Error(`consumer ${name} has no database`);
  const notificationDb = options.partition_notification_dsn
    ? await context.openPool(options.partition_notification_dsn, 2)
    : db;
  const parking = await context.openParking(db);
  return new PostgresOutboxConsumer({ name, options, db, notificationDb, runner, parking, counters, logger });
}

async function buildKafka(context: BuildContext): Promise<Consumer> {
  const { config, runner, counters, logger } = context;
  const { name, kafka: options } = config;
  const parking = await context.openOwnParking();
  return new KafkaConsumer({ name, options, runner, parking, counters, logger });
}

async function buildRedisStream(context: BuildContext): Promise<Consumer> {
  const { config, runner, counters, logger } = context;
  const { name, redis_stream: options } = config;
  const parking = await context.openOwnParking();
  return new RedisStreamConsumer({ name, options, runner, parking, counters, logger });
}
