import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { PostgresWalOptions } from '../../../src/config/config.ts';
import { DatabaseParkingLot } from '../../../src/consumers/parking.ts';
import { PostgresWalConsumer } from '../../../src/consumers/postgres-wal/consumer.ts';
import { decodeFrame, type Frame } from '../../../src/consumers/postgres-wal/pgoutput.ts';
import { type SettledNote, WalPosition } from '../../../src/consumers/postgres-wal/wal-position.ts';
import type { Database } from '../../../src/storage/database.ts';
import { openDatabase } from '../../../src/storage/open.ts';
import { createPostgresDatabase } from '../../support/database.ts';
import type { ConsumerPlace, Parked, TestCommand } from '../conformance.ts';
import type { Numbered, Recorder } from '../recorder.ts';

const TABLE = `CREATE TABLE commands (id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL,
  partition bigint NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now())`;

/** What was carried out, by whomever, in this order. */
const SEEN = 'CREATE TABLE seen (at bigserial PRIMARY KEY, n int NOT NULL, partition int NOT NULL)';

export async function noteSeen(db: Database, { n, partition = 0 }: Numbered): Promise<void> {
  await db.query('INSERT INTO seen (n, partition) VALUES ($1, $2)', [n, partition]);
}

/** What streaming replication puts before each message: a tag, two places in the log and a time. */
const DATA_HEADER = Buffer.concat([Buffer.from('w'), Buffer.alloc(24)]);

const OPTIONS: PostgresWalOptions = {
  dsn: '',
  table_name: 'commands',
  slot_name: '',
  publication_name: 'commands_pub',
  create: true,
  existing_rows: 'run',
  num_workers: 16,
  max_queue_size: 5_000,
  status_interval: 1_000,
  trim: true,
  trim_interval: 100,
  lag_warning_size: 1_073_741_824,
};

/** A database of its own on `server`, with a table and, unless it is told otherwise, a publication and a slot. */
export class WalPlace implements ConsumerPlace {
  readonly dsn: string;
  readonly db: Database;
  /** Slots are the server's, not the database's: their names must differ. */
  readonly slot: string;
  readonly #dropDatabase: () => Promise<void>;
  readonly #parking: Promise<DatabaseParkingLot>[] = [];

  constructor(dsn: string, db: Database, dropDatabase: () => Promise<void>) {
    this.dsn = dsn;
    this.db = db;
    this.slot = new URL(dsn).pathname.slice(1);
    this.#dropDatabase = dropDatabase;
  }

  static async open({ server, slot = true }: { server?: string; slot?: boolean } = {}): Promise<WalPlace> {
    const { dsn, drop } = await createPostgresDatabase(server);
    const place = new WalPlace(dsn, await openDatabase({ dsn }), drop);
    await place.db.exec(`${TABLE}; ${SEEN}`);
    if (slot) await place.makeSlot();
    return place;
  }

  async makeSlot(): Promise<void> {
    await this.db.exec(`CREATE PUBLICATION commands_pub FOR TABLE commands WITH (publish = 'insert')`);
    await this.db.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [this.slot]);
  }

  async put(commands: readonly TestCommand[]): Promise<void> {
    await this.db.query(
      `INSERT INTO commands (method, payload, partition)
       SELECT method, payload, coalesce(partition, 0)
       FROM jsonb_to_recordset($1::jsonb) AS c(method text, payload jsonb, partition bigint)`,
      [JSON.stringify(commands)],
    );
  }

  /** In transactions of a hundred rows. */
  async putNumbered(count: number, from = 0): Promise<void> {
    await this.db.exec(`DO $$ BEGIN
      FOR low IN ${from} .. ${from + count - 1} BY 100 LOOP
        INSERT INTO commands (method, payload, partition)
          SELECT 'publish', jsonb_build_object('n', n, 'partition', n % 4), n % 4
          FROM generate_series(low, least(low + 99, ${from + count - 1})) AS n ORDER BY n;
        COMMIT;
      END LOOP;
    END $$`);
  }

  async open(recorder: Recorder, options: Partial<PostgresWalOptions> & { maxAttempts?: number } = {}) {
    const { maxAttempts, ...rest } = options;
    const parking = new DatabaseParkingLot(this.db, recorder.logger);
    const opened = parking.open().then(() => parking);
    this.#parking.push(opened);
    return new PostgresWalConsumer({
      name: 'test',
      dsn: this.dsn,
      db: this.db,
      runner: recorder.runner(maxAttempts === undefined ? {} : { maxAttempts }),
      parking: await opened,
      counters: recorder.counters,
      logger: recorder.logger,
      options: { ...OPTIONS, slot_name: this.slot, ...rest },
    });
  }

  parked(): Promise<Parked[]> {
    return this.db.query<Parked & Record<string, unknown>>(
      'SELECT method, payload, reason FROM carillon_parked_commands ORDER BY id',
    );
  }

  /** What the slot would send to the next reader, rows of the table only. */
  async pending(): Promise<number> {
    const [row] = await this.db.query<{ rows: number }>(
      `SELECT count(*) AS rows FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
         'proto_version', '1', 'publication_names', 'commands_pub') WHERE get_byte(data, 0) = ascii('I')`,
      [this.slot],
    );
    return row?.rows ?? 0;
  }

  /**
   * Nothing is left that the next reader would carry out. The slot itself may still send a transaction: a reader that was
   * closed between the last row and the commit behind it has carried out all of it, and noted that.
   */
  async assertEmpty(): Promise<void> {
    const changes = await this.db.query<{ data: Buffer }>(
      `SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
         'proto_version', '1', 'publication_names', 'commands_pub')`,
      [this.slot],
    );
    const [noted] = await this.db.query<{ settled: SettledNote }>(
      'SELECT settled FROM carillon_wal_progress WHERE slot = $1',
      [this.slot],
    );
    const position = new WalPosition(0n, noted?.settled);
    let partitionAt = -1;
    let left = 0;
    for (const { data } of changes) {
      const frame = decodeFrame(Buffer.concat([DATA_HEADER, data]));
      assert.equal(frame.kind, 'data');
      const { message } = frame as Extract<Frame, { kind: 'data' }>;
      if (message.kind === 'begin') position.begin(message.lsn);
      else if (message.kind === 'relation')
        partitionAt = message.columns.findIndex(({ name }) => name === 'partition');
      else if (message.kind === 'insert') left += position.add(message.values[partitionAt] ?? '') ? 1 : 0;
      else if (message.kind === 'commit') position.commit(message.endLsn);
    }
    assert.equal(left, 0);
  }

  /** The numbers in `seen`, in order. */
  async seen(): Promise<Numbered[]> {
    return this.db.query<Numbered & Record<string, unknown>>('SELECT n, partition FROM seen ORDER BY at');
  }

  /** Waits for something that only the database shows. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await setTimeout(10);
  }

  async rows(): Promise<number> {
    const [row] = await this.db.query<{ rows: number }>('SELECT count(*) AS rows FROM commands');
    return row?.rows ?? 0;
  }

  /** The process that holds the slot on the server's side, if any. */
  async readerPid(): Promise<number | null> {
    const [row] = await this.db.query<{ active_pid: number | null }>(
      'SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1',
      [this.slot],
    );
    return row?.active_pid ?? null;
  }

  async drop(): Promise<void> {
    for (const lot of this.#parking) (await lot).close();
    await this.db.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active',
    );
    await this.db.close();
    await this.#dropDatabase();
  }
}
