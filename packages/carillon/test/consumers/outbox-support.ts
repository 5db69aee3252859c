import type { PostgresConsumerOptions } from '../../src/config/config.ts';
import { DatabaseParkingLot } from '../../src/consumers/parking.ts';
import { PostgresOutboxConsumer } from '../../src/consumers/postgres-outbox.ts';
import type { Database } from '../../src/storage/database.ts';
import type { Recorder } from './recorder.ts';

/** With a trigger that notifies of each row. */
export const TABLE = `CREATE TABLE outbox (id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL,
  partition bigint NOT NULL DEFAULT 0, created_at timestamptz DEFAULT now());
  CREATE INDEX ON outbox (partition, id);
  CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM pg_notify('outbox_changed', NEW.partition::text); RETURN NEW; END $$;
  CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_notify();`;

/** A consumer named `test`, which polls only each ten seconds; not started. */
export async function openOutboxConsumer(
  recorder: Recorder,
  db: Database,
  options: Partial<PostgresConsumerOptions> = {},
  runnerOptions: { maxAttempts?: number } = {},
): Promise<PostgresOutboxConsumer> {
  const parking = new DatabaseParkingLot(db, recorder.logger);
  await parking.open();
  return new PostgresOutboxConsumer({
    name: 'test',
    db,
    notificationDb: db,
    runner: recorder.runner(runnerOptions),
    parking,
    counters: recorder.counters,
    logger: recorder.logger,
    options: {
      dsn: '',
      outbox_table_name: 'outbox',
      num_partitions: 1,
      partition_select_limit: 100,
      partition_poll_interval: 10_000,
      partition_notification_channel: 'outbox_changed',
      partition_notification_dsn: '',
      use_try_lock: false,
      ...options,
    },
  });
}
