/** Debezium with the connector that deploy/ ships, on a database of a test's own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { createPostgresDatabase } from '../../packages/carillon/test/support/database.ts';
import { startKafka, type TestKafka } from '../../packages/carillon/test/support/kafka.ts';
import { startConnect, type TestConnect } from '../../packages/carillon/test/support/kafka-connect.ts';
import { connectEnvironment, DEPLOY } from './compose.ts';

export interface DebeziumStack {
  readonly kafka: TestKafka;
  readonly connect: TestConnect;
  readonly dsn: string;
  readonly database: pg.Client;
  /** Has Debezium read `public.chat_cdc` into the topic `<name>.public.chat_cdc`, with `overrides` laid over deploy's connector. */
  capture(name: string, overrides?: Readonly<Record<string, string>>): Promise<void>;
  drop(): Promise<void>;
}

const TABLE = `CREATE TABLE chat_cdc (id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL,
  partition bigint NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now())`;

export async function startDebezium(): Promise<DebeziumStack> {
  const { dsn, drop } = await createPostgresDatabase();
  const { pathname } = new URL(dsn);
  const database = new pg.Client({ connectionString: dsn });
  await database.connect();
  await database.query(TABLE);
  const kafka = await startKafka();
  const connect = await startConnect(kafka.broker, connectEnvironment(dsn));
  const file = join(DEPLOY, 'debezium', 'connector.json');
  const { config } = JSON.parse(readFileSync(file, 'utf8')) as { config: Record<string, string> };
  return {
    kafka,
    connect,
    dsn,
    database,
    async capture(name, overrides = {}) {
      await connect.put(name, {
        ...config,
        'topic.prefix': name,
        // Slots are the whole server's: other tests have theirs.
        'slot.name': `${name}_${pathname.slice(1)}`,
        'publication.name': name,
        'predicates.isRow.pattern': `${name}\\.public\\..*`,
        'heartbeat.interval.ms': '500',
        ...overrides,
      });
    },
    async drop() {
      await connect.drop();
      await kafka.drop();
      // PostgreSQL sees a moment later that who read a slot is gone.
      const own = 'FROM pg_replication_slots WHERE database = current_database()';
      while ((await database.query(`SELECT 1 ${own}`)).rows.length > 0)
        await database.query(`SELECT pg_drop_replication_slot(slot_name) ${own} AND NOT active`);
      await database.end();
      await drop();
    },
  };
}
