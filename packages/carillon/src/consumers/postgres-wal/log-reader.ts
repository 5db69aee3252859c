import type { Logger } from '../../logger.ts';
import type { ConsumerCounters } from '../consumer.ts';
import type { Lsn } from './lsn.ts';
import { Partitions, type PartitionsOptions, type WalRow } from './partitions.ts';
import type { LogMessage, Relation } from './pgoutput.ts';
import type { WalProgress } from './progress.ts';
import type { ReplicationReader, ReplicationStream } from './replication-stream.ts';
import type { WalSource } from './slot.ts';
import type { WalPosition } from './wal-position.ts';

export interface LogReaderOptions {
  readonly name: string;
  readonly stream: ReplicationStream;
  readonly position: WalPosition;
  readonly progress: WalProgress;
  readonly source: Pick<WalSource, 'schema' | 'table'>;
  /** Rows that may wait; reading stops while there are more, until half of them are left. */
  readonly maxRows: number;
  readonly partitions: Omit<PartitionsOptions, 'onSettled'>;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

/** Where the columns stand in a row; -1 for one that the table does not have any more. */
interface Columns {
  readonly id: number;
  readonly method: number;
  readonly payload: number;
  readonly partition: number;
  readonly isJson: boolean;
}

const JSON_TYPES = new Set([114, 3802]);
/** Characters of payloads that may wait, whatever their number. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const NOTE_MS = 1_000;

/** Turns one slot's messages into commands, and settled commands into the position that the slot may forget. */
export class LogReader implements ReplicationReader {
  readonly #options: LogReaderOptions;
  readonly #partitions: Partitions;
  readonly #columns = new Map<number, Columns>();
  readonly #timer: NodeJS.Timeout;
  /** Whether rows were settled since the last note: without any, writing one would only make the log longer. */
  #isNoteOld = false;
  #isNoteFailing = false;
  #noting: Promise<void> = Promise.resolve();

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#partitions = new Partitions({ ...options.partitions, onSettled: (row) => this.#onSettled(row) });
    this.#timer = setInterval(() => this.#onTimer(), NOTE_MS);
  }

  confirmed(): Lsn {
    return this.#options.position.confirmed;
  }

  onIdle(walEnd: Lsn): void {
    this.#options.position.idle(walEnd);
    this.#options.stream.confirmSoon();
  }

  onMessage(message: LogMessage): void {
    const { position, stream } = this.#options;
    switch (message.kind) {
      case 'begin':
        position.begin(message.lsn);
        break;
      case 'relation':
        this.#onRelation(message);
        break;
      case 'insert': {
        const columns = this.#columns.get(message.relation);
        if (columns) this.#onRow(columns, message.values);
        break;
      }
      case 'commit':
        position.commit(message.endLsn);
        stream.confirmSoon();
        break;
    }
  }

  /** Begins no more commands, waits for those under way, and notes what is settled. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#options.stream.pause();
    await this.#partitions.stop();
    await this.#noting;
    await this.#note();
    this.#options.counters.lag('messages', '', 0);
  }

  #onRelation({ id, schema, table, columns }: Relation): void {
    const { source } = this.#options;
    if (schema !== source.schema || table !== source.table) return;
    const indexOf = (name: string) => columns.findIndex((column) => column.name === name);
    const payload = indexOf('payload');
    this.#columns.set(id, {
      id: indexOf('id'),
      method: indexOf('method'),
      payload,
      partition: indexOf('partition'),
      isJson: JSON_TYPES.has(columns[payload]?.type ?? 0),
    });
  }

  #onRow(columns: Columns, values: readonly (string | null | undefined)[]): void {
    const { position, stream, maxRows } = this.#options;
    const partition = values[columns.partition] ?? '';
    const place = position.add(partition);
    if (!place) return;
    this.#partitions.add({
      id: values[columns.id] ?? '',
      method: values[columns.method] ?? '',
      payload: values[columns.payload],
      isJson: columns.isJson,
      partition,
      place,
    });
    const { rows, bytes } = this.#partitions;
    if (!stream.paused && (rows >= maxRows || bytes >= MAX_WAITING_BYTES)) stream.pause();
  }

  #onSettled({ partition, place }: WalRow): void {
    const { position, stream, maxRows } = this.#options;
    if (place) position.settle(partition, place);
    this.#isNoteOld = true;
    stream.confirmSoon();
    const { rows, bytes } = this.#partitions;
    if (stream.paused && rows <= maxRows / 2 && bytes <= MAX_WAITING_BYTES / 2) stream.resume();
  }

  #onTimer(): void {
    this.#options.counters.lag('messages', '', this.#partitions.rows);
    this.#noting = this.#noting.then(() => this.#note());
  }

  async #note(): Promise<void> {
    if (!this.#isNoteOld) return;
    const { name, progress, stream, position, logger } = this.#options;
    this.#isNoteOld = false;
    try {
      await progress.save(stream.history, position.note());
      this.#isNoteFailing = false;
    } catch (error) {
      this.#isNoteOld = true;
      if (!this.#isNoteFailing)
        logger.warn({ err: error, consumer: name }, 'consumer: what is settled could not be noted');
      this.#isNoteFailing = true;
    }
  }
}
