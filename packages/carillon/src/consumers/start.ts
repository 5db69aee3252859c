import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../storage/database.ts';
import { openDatabase } from '../storage/open.ts';
import type { ConsumerCounters, Dispatch } from './consumer.ts';
import { PostgresOutboxConsumer } from './postgres-outbox.ts';

export interface ConsumersOptions {
  readonly config: Pick<Config, 'consumers'>;
  /** The server's own database, for consumers without a DSN. */
  readonly db: Database | undefined;
  readonly dispatch: Dispatch;
  readonly isAllowed: (method: string) => boolean;
  readonly metrics: { consumerCounters(name: string): ConsumerCounters };
  readonly logger: Logger;
}

/**
 * Starts every enabled consumer; gives back how to stop them all.
 * @throws when one cannot start (consumers, section 1)
 */
export async function startConsumers(options: ConsumersOptions): Promise<() => Promise<void>> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    for (const { name, enabled, postgresql } of options.config.consumers) {
      if (!enabled) {
        options.logger.info({ consumer: name }, 'consumer is disabled');
        continue;
      }
      const onError = (error: Error) =>
        options.logger.error({ err: error, consumer: name }, 'consumer: connection lost');
      const open = async (dsn: string, poolSize: number) => {
        const db = await openDatabase({ dsn, poolSize, onError });
        closers.push(() => db.close());
        return db;
      };
      const db = postgresql.dsn ? await open(postgresql.dsn, postgresql.num_partitions + 1) : options.db;
      if (!db) throw new Error(`consumer ${name} has no database`);
      const notificationDb = postgresql.partition_notification_dsn
        ? await open(postgresql.partition_notification_dsn, 2)
        : db;
      const consumer = new PostgresOutboxConsumer({
        name,
        options: postgresql,
        db,
        notificationDb,
        dispatch: options.dispatch,
        isAllowed: options.isAllowed,
        counters: options.metrics.consumerCounters(name),
        logger: options.logger,
      });
      await consumer.start();
      closers.push(() => consumer.close());
      options.logger.info({ consumer: name, partitions: postgresql.num_partitions }, 'consumer started');
    }
    return close;
  } catch (error) {
    await close();
    throw error;
  }
}
