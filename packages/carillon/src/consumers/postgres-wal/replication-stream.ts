import pg from 'pg';
import { type Lsn, laterOf } from './lsn.ts';
import { decodeFrame, encodeStatus, type Frame, type LogMessage } from './pgoutput.ts';

export interface ReplicationStreamOptions {
  readonly dsn: string;
  readonly slot: string;
  readonly publication: string;
  /** Milliseconds between words to the server; it hangs up after three intervals of silence, and so does this end. */
  readonly statusInterval: number;
}

export interface ReplicationReader {
  /** Up to where everything has taken effect. */
  confirmed(): Lsn;
  onMessage(message: LogMessage): void;
  /** The server has looked up to here and found nothing more for this slot. */
  onIdle(walEnd: Lsn): void;
}

/** What `pg` has and does not declare: the connection under a client, which replication needs. */
interface RawConnection {
  readonly stream: { pause(): void; resume(): void; destroy(error?: Error): void };
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  once(event: 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** The server hangs up on a reader that is silent for this many intervals. */
const SILENT_INTERVALS = 3;
/** Positions that moved are told within this time, many at once. */
const CONFIRM_MS = 100;
const STOP_MS = 2_000;

/** A connection in replication mode, on which a slot is made or read. @throws in the server's words */
export async function connectReplication(dsn: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: dsn,
    replication: 'database',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    application_name: 'carillon wal',
  } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  return client;
}

/**
 * Reads one slot by the streaming replication protocol.
 *
 * *Held*: the slot is taken, and nothing is handed over yet. *Reading*: messages are handed over as they come; the server
 * is told the confirmed position whenever it has moved, when it asks, and at every interval, also while *paused*, when
 * nothing is taken from the socket and the server waits. *Ended* is final: the server hung up, was silent too long, or `stop` was called.
 */
export class ReplicationStream {
  /** Resolves when it was stopped, rejects with what ended it. */
  readonly ended: Promise<void>;
  /** The server's system identifier and timeline: places in the log mean something in this history alone. */
  readonly history: string;
  readonly #statusInterval: number;
  readonly #client: pg.Client;
  readonly #connection: RawConnection;
  readonly #timer: NodeJS.Timeout;
  #confirmTimer: NodeJS.Timeout | undefined;
  #reader: ReplicationReader | undefined;
  /** What came before there was a reader: no more than was in the socket. */
  readonly #held: Frame[] = [];
  #received: Lsn = 0n;
  #told: Lsn = 0n;
  #heardAt = performance.now();
  #paused = false;
  #over = false;

  private constructor(client: pg.Client, history: string, statusInterval: number, ended: Promise<void>) {
    this.#client = client;
    this.history = history;
    this.#statusInterval = statusInterval;
    this.#connection = rawConnection(client);
    this.#connection.on('copyData', ({ chunk }) => this.#onData(chunk));
    this.#timer = setInterval(() => this.#onInterval(), statusInterval);
    this.ended = ended.finally(() => {
      this.#over = true;
      clearInterval(this.#timer);
      clearTimeout(this.#confirmTimer);
      this.#connection.stream.destroy();
    });
    this.ended.catch(() => {});
  }

  /**
   * Takes the slot.
   * @throws the server's error: code 55006 while another reader has the slot, 42704 when there is no such slot, 55000
   * when the server has thrown away what the slot would need
   */
  static async open(options: ReplicationStreamOptions): Promise<ReplicationStream> {
    const { dsn, slot, publication, statusInterval } = options;
    const client = await connectReplication(dsn);
    try {
      await client.query(`SET wal_sender_timeout = ${SILENT_INTERVALS * statusInterval}`);
      const [system] = (await client.query<{ systemid: string; timeline: number }>('IDENTIFY_SYSTEM')).rows;
      const started = new Promise<void>((resolve) => rawConnection(client).once('replicationStart', resolve));
      const names = pg.escapeLiteral(pg.escapeIdentifier(publication));
      const ended = client
        .query(
          `START_REPLICATION SLOT ${pg.escapeIdentifier(slot)} LOGICAL 0/0 (proto_version '1', publication_names ${names})`,
        )
        .then(() => {});
      const stream = new ReplicationStream(
        client,
        `${system?.systemid}/${system?.timeline}`,
        statusInterval,
        ended,
      );
      await Promise.race([started, ended]);
      stream.pause();
      return stream;
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
  }

  /** Hands everything over to `reader`, from the slot's position on. */
  read(reader: ReplicationReader): void {
    this.#reader = reader;
    for (const frame of this.#held.splice(0)) this.#onFrame(frame, reader);
    this.resume();
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** What has been taken from the socket already still comes. */
  pause(): void {
    this.#paused = true;
    this.#connection.stream.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#heardAt = performance.now();
    this.#connection.stream.resume();
  }

  /** To be called when the confirmed position has moved. */
  confirmSoon(): void {
    if (this.#over) return;
    this.#confirmTimer ??= setTimeout(() => {
      this.#confirmTimer = undefined;
      if (this.#reader && this.#reader.confirmed() > this.#told) this.#tell();
    }, CONFIRM_MS);
  }

  /** Asks the server how far it has looked; `onIdle` hears it. */
  ping(): void {
    this.#tell({ ping: true });
  }

  /** Tells the position for the last time and lets go of the slot; resolves when the server has heard it. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#tell();
    this.#over = true;
    // What still comes is thrown away: the server hears nothing while it cannot send.
    this.#connection.stream.resume();
    this.#connection.endCopyFrom();
    const timer = setTimeout(
      () => this.#connection.stream.destroy(new Error('the server did not end the replication')),
      STOP_MS,
    );
    await this.ended.catch(() => {});
    clearTimeout(timer);
    await this.#client.end().catch(() => {});
  }

  #onData(chunk: Buffer): void {
    if (this.#over) return;
    this.#heardAt = performance.now();
    try {
      const frame = decodeFrame(chunk);
      if (this.#reader) this.#onFrame(frame, this.#reader);
      else this.#held.push(frame);
    } catch (error) {
      this.#over = true;
      this.#connection.stream.destroy(error as Error);
    }
  }

  #onFrame(frame: Frame, reader: ReplicationReader): void {
    if (frame.kind === 'data') {
      if (frame.message.kind === 'commit') this.#received = frame.message.endLsn;
      reader.onMessage(frame.message);
      return;
    }
    this.#received = laterOf(this.#received, frame.walEnd);
    reader.onIdle(frame.walEnd);
    if (frame.replyNow) this.#tell();
  }

  #onInterval(): void {
    const statusInterval = this.#statusInterval;
    const silence = performance.now() - this.#heardAt;
    if (!this.#paused && silence > SILENT_INTERVALS * statusInterval) {
      this.#over = true;
      this.#connection.stream.destroy(
        new Error(`the server gave no sign of life for ${Math.round(silence)} ms`),
      );
      return;
    }
    this.#tell({ ping: silence > statusInterval });
  }

  #tell({ ping = false } = {}): void {
    if (this.#over || !this.#reader) return;
    this.#told = this.#reader.confirmed();
    this.#connection.sendCopyFromChunk(
      encodeStatus(laterOf(this.#received, this.#told), this.#told, { ping }),
    );
  }
}

function rawConnection(client: pg.Client): RawConnection {
  return (client as unknown as { connection: RawConnection }).connection;
}
