import type { PostgresWalOptions } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { backoff } from '../backoff.ts';
import type { CommandRunner } from '../command-runner.ts';
import type { Consumer, ConsumerCounters } from '../consumer.ts';
import type { ParkingLot } from '../parking.ts';
import { StateLog } from '../state-log.ts';
import { Wakeup } from '../wakeup.ts';
import { makeSlot } from './first-rows.ts';
import { LogReader } from './log-reader.ts';
import { Partitions, type PartitionsOptions } from './partitions.ts';
import { WalProgress } from './progress.ts';
import { ReplicationStream } from './replication-stream.ts';
import {
  explain,
  lostWords,
  prepareSource,
  readSlot,
  type SlotState,
  slotName,
  WalSetupError,
  type WalSource,
} from './slot.ts';
import { SlotWatch } from './slot-watch.ts';
import { Trimmer } from './trimmer.ts';
import { WalPosition } from './wal-position.ts';

export interface PostgresWalDependencies {
  readonly name: string;
  readonly options: PostgresWalOptions;
  /** Of the same database as `db`, for connections in replication mode. */
  readonly dsn: string;
  readonly db: Database;
  readonly runner: CommandRunner;
  readonly parking: ParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

const STANDBY_MS = 1_000;
const WATCH_MS = 10_000;

/**
 * Reads commands from PostgreSQL's log: rows that are inserted into a table, by logical replication, without a broker.
 *
 * The consumer looks at its slot, and is then in one of four states. *Making*: there is no slot; it is made, and rows
 * that are in the table already are carried out first. *Standing by*: another server reads the slot; it is looked at
 * again every second, and PostgreSQL lets go of it when its reader's connection ends or is silent for three status
 * intervals. *Reading*: rows are carried out, each partition in order, and the position is confirmed behind what has taken
 * effect. *Waiting*: the connection ended or the slot cannot be read; it is looked at again after a growing delay. The log
 * has a line each time the state or its reason changes. Closed is final.
 */
export class PostgresWalConsumer implements Consumer {
  readonly name: string;
  readonly #deps: PostgresWalDependencies;
  readonly #abort = new AbortController();
  readonly #closed: Promise<void>;
  readonly #pause = new Wakeup();
  readonly #progress: WalProgress;
  #watch: SlotWatch | undefined;
  #work: Promise<void> | undefined;
  readonly #log: StateLog;
  #hadSlot = false;

  constructor(deps: PostgresWalDependencies) {
    this.#log = new StateLog(deps.name, deps.logger);
    this.name = deps.name;
    this.#deps = deps;
    this.#closed = new Promise((resolve) => this.#abort.signal.addEventListener('abort', () => resolve()));
    this.#progress = new WalProgress(deps.db, slotName(deps.name, deps.options));
  }

  /** @throws WalSetupError with what to change, when the log cannot be read */
  async start(): Promise<void> {
    const { db, options, counters, logger } = this.#deps;
    const source = await prepareSource(db, this.name, options);
    await this.#progress.open();
    await new Promise<void>((resolve, reject) => {
      this.#work = this.#run(source, { onState: resolve, onError: reject });
    });
    this.#watch = new SlotWatch({
      name: this.name,
      slot: source.slot,
      db,
      enabled: true,
      lagWarningSize: options.lag_warning_size,
      interval: WATCH_MS,
      counters,
      logger,
    });
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#watch?.stop();
    await this.#work;
  }

  /** `onState`: the first look at the slot led to a state; `onError`: it did not, and nothing goes on. */
  async #run(
    source: WalSource,
    first: { onState: () => void; onError: (error: Error) => void },
  ): Promise<void> {
    const { signal } = this.#abort;
    let failures = 0;
    let isFirst = true;
    const onState = () => {
      isFirst = false;
      failures = 0;
      first.onState();
    };
    while (!signal.aborted) {
      try {
        if ((await this.#turn(source, onState)) === 'standby')
          await this.#pause.wait(STANDBY_MS, { signal, ignoreWakes: true });
      } catch (error) {
        const explained = explain(error, source);
        if (isFirst) return first.onError(explained);
        failures += 1;
        this.#deps.counters.failed();
        this.#log.say(
          'error',
          { reason: explained.message },
          'consumer: cannot read the log, will try again',
        );
        await this.#pause.wait(backoff(failures + 3), { signal, ignoreWakes: true });
      }
    }
    first.onState();
  }

  async #turn(source: WalSource, onState: () => void): Promise<'standby' | 'again'> {
    const slot = await readSlot(this.#deps.db, source.slot);
    if (!slot) return this.#make(source, onState);
    if (slot.walStatus === 'lost')
      throw new WalSetupError(`slot ${source.slot} is lost. ${lostWords(source.slot)}`);
    const stream = slot.active ? undefined : await this.#takeSlot(source);
    onState();
    if (!stream) {
      this.#log.say(
        'info',
        { slot: source.slot },
        'consumer: another server reads the slot, this one stands by',
      );
      return 'standby';
    }
    this.#hadSlot = true;
    await this.#read(stream, source);
    return 'again';
  }

  /** Undefined when another reader was faster. */
  async #takeSlot({ slot, publication }: WalSource): Promise<ReplicationStream | undefined> {
    const { dsn, options } = this.#deps;
    try {
      return await ReplicationStream.open({
        dsn,
        slot,
        publication,
        statusInterval: options.status_interval,
      });
    } catch (error) {
      if ((error as { code?: string }).code === '55006') return undefined;
      throw error;
    }
  }

  async #make(source: WalSource, onState: () => void): Promise<'standby' | 'again'> {
    const { dsn, db, options } = this.#deps;
    const { slot } = source;
    const runsExisting = options.trim && options.existing_rows === 'run';
    const byHand = `run SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`;
    if (!options.create)
      throw new WalSetupError(`slot ${slot} is missing, and postgresql_wal.create is false: ${byHand}`);
    if (this.#hadSlot && !runsExisting)
      throw new WalSetupError(
        `slot ${slot} is gone (was it dropped, or is this another server after a failover?). Which rows of the table are done is not known, so it is not made anew: to leave them all and go on with new ones, ${byHand}`,
      );
    const isMade = await makeSlot({
      dsn,
      db,
      source,
      maxRows: options.max_queue_size,
      runExisting: runsExisting
        ? (onSettled) => new Partitions({ ...this.#partitions(), onSettled })
        : undefined,
      signal: this.#abort.signal,
      say: (fields, message) => {
        this.#log.say('warn', fields, message);
        onState();
      },
    });
    if (!isMade) {
      onState();
      return 'standby';
    }
    this.#hadSlot = true;
    const fields = { slot, publication: source.publication };
    if (runsExisting) this.#log.say('info', fields, 'consumer: the slot was made');
    else
      this.#log.say(
        'warn',
        fields,
        'consumer: the slot was made; rows that the table holds already are never run',
      );
    return 'again';
  }

  /** Reads until the connection ends (and then rejects) or the consumer is closed. */
  async #read(stream: ReplicationStream, source: WalSource): Promise<void> {
    const { db, options, counters, logger } = this.#deps;
    const { name } = this;
    let reader: LogReader | undefined;
    let trimmer: Trimmer | undefined;
    try {
      // Looked at only now, when nobody else can move it any more.
      const slot = (await readSlot(db, source.slot)) as SlotState;
      const position = new WalPosition(slot.confirmed, await this.#progress.load(stream.history));
      const progress = this.#progress;
      const maxRows = options.max_queue_size;
      const partitions = this.#partitions();
      reader = new LogReader({
        name,
        stream,
        position,
        progress,
        source,
        maxRows,
        partitions,
        counters,
        logger,
      });
      if (options.trim) {
        const { quotedTable } = source;
        const confirmed = () => position.confirmed;
        const ping = () => stream.ping();
        trimmer = new Trimmer({
          name,
          db,
          quotedTable,
          interval: options.trim_interval,
          confirmed,
          ping,
          logger,
        });
      }
      this.#log.say('info', { slot: source.slot }, 'consumer: reads the log');
      stream.read(reader);
      await Promise.race([stream.ended, this.#closed]);
    } finally {
      await Promise.all([reader?.stop(), trimmer?.stop()]);
      await stream.stop();
    }
  }

  #partitions(): Omit<PartitionsOptions, 'onSettled'> {
    const { name, options, runner, parking, counters, logger } = this.#deps;
    return { name, runner, parking, counters, logger, concurrency: options.num_workers };
  }
}
