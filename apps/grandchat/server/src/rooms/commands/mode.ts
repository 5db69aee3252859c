import { type Database, parseDuration } from 'carillon';
import type { Logger } from 'pino';
import { CarillonClient } from '../../push/carillon-client.ts';
import type { MessagePushOptions } from '../../push/message-push.ts';
import { ApiBroadcaster, type ApiBroadcasterOptions } from './api-broadcaster.ts';
import { BothBroadcasters } from './both-broadcasters.ts';
import { CdcRetention, DEFAULT_CDC_RETENTION_MS } from './cdc-retention.ts';
import { CommandTable } from './command-table.ts';
import { Expander } from './expander.ts';
import { PushCommands } from './push-commands.ts';
import type { RealtimeServer } from './realtime-server.ts';
import { type Broadcaster, RoomEvents } from './room-events.ts';
import { TableBroadcaster } from './table-broadcaster.ts';

/** How GrandChat tells of changes (README, “How events travel”). */
export const BROADCAST_MODES = ['outbox', 'api', 'cdc', 'api_cdc'] as const;
export type BroadcastMode = (typeof BROADCAST_MODES)[number];

export interface BroadcastOptions {
  readonly mode?: BroadcastMode;
  /** For commands of ordinary rooms and of users. */
  readonly partitions?: number;
  /** Further ones, for rooms that are big. */
  readonly bigRoomPartitions?: number;
  /** Milliseconds for which rows of `chat_cdc` are kept. */
  readonly cdcRetention?: number;
}

export const DEFAULT_PARTITIONS = 4;
export const DEFAULT_BIG_ROOM_PARTITIONS = 4;

/** A connector that is away for so long has lost its place anyway. */
const MIN_CDC_RETENTION_MS = 60_000;

/** As many as a minute has room for. */
const API_ATTEMPTS = 100;
/** What the API does not bring, the other way does. */
const API_CDC_ATTEMPTS = 2;

export interface CommandsOptions extends BroadcastOptions {
  readonly db: Database;
  readonly push: MessagePushOptions;
  /** The server that has the real-time connections, and whether it is another one than the one that sends pushes. */
  readonly realtime: RealtimeServer;
  readonly isRealtimeApart: boolean;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** All that GrandChat has others do. */
export interface Commands {
  readonly events: RoomEvents;
  readonly push: PushCommands;
  /** Work in the background; what is committed before is not lost, it waits. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** @throws in words when the mode cannot be on this database, or with this server for real time */
export function createCommands(options: CommandsOptions): Commands {
  const { mode = 'outbox', partitions = DEFAULT_PARTITIONS, db, logger } = options;
  const isCdc = mode === 'cdc' || mode === 'api_cdc';
  if (isCdc && db.kind === 'pglite') {
    throw new Error(
      `GRANDCHAT_BROADCAST_MODE is ${JSON.stringify(mode)}: the embedded database has no logical replication, so that nobody could read chat_cdc; set DATABASE_URL to a PostgreSQL, or choose outbox or api`,
    );
  }
  if ((mode === 'api' || mode === 'api_cdc') && !options.realtime.apiKey) {
    throw new Error(
      `GRANDCHAT_REALTIME_API_KEY is not set: mode ${mode} calls the API of ${options.realtime.url}`,
    );
  }
  const table = new CommandTable(isCdc ? 'chat_cdc' : 'chat_outbox', partitions);
  const broadcaster = createBroadcaster(mode, table, options);
  // In mode api, too: another mode may have left events behind.
  const expander = new Expander({
    db,
    table,
    partitions: options.bigRoomPartitions ?? DEFAULT_BIG_ROOM_PARTITIONS,
    isEmptied: !isCdc,
    logger,
  });
  const retention = new CdcRetention({
    db,
    retention: options.cdcRetention ?? DEFAULT_CDC_RETENTION_MS,
    logger,
  });
  // With another server for real time each reads a table of its own: it can carry out all that is in it.
  const pushTable = options.isRealtimeApart ? new CommandTable('chat_push_outbox', partitions) : table;
  return {
    events: new RoomEvents(db, broadcaster),
    push: new PushCommands(pushTable, options.push),
    async start() {
      await expander.start();
      retention.start();
    },
    async close() {
      await broadcaster.close();
      await expander.close();
      await retention.close();
    },
  };
}

function createBroadcaster(
  mode: BroadcastMode,
  table: CommandTable,
  { db, realtime, logger }: CommandsOptions,
): Broadcaster {
  const api = (attempts: number, otherwise: ApiBroadcasterOptions['otherwise']) =>
    new ApiBroadcaster({ db, server: new CarillonClient(realtime), attempts, otherwise, logger });
  switch (mode) {
    case 'outbox':
    case 'cdc':
      return new TableBroadcaster(table);
    case 'api':
      return api(API_ATTEMPTS, 'it is lost');
    case 'api_cdc':
      return new BothBroadcasters(api(API_CDC_ATTEMPTS, 'it comes by chat_cdc'), new TableBroadcaster(table));
  }
}

/**
 * `GRANDCHAT_BROADCAST_MODE`, `GRANDCHAT_OUTBOX_PARTITIONS`, `GRANDCHAT_BIG_ROOM_PARTITIONS` and `GRANDCHAT_CDC_RETENTION`.
 * @throws naming the variable, its value and what is allowed
 */
export function broadcastFromEnvironment(env: NodeJS.ProcessEnv): Required<BroadcastOptions> {
  const mode = env.GRANDCHAT_BROADCAST_MODE || 'outbox';
  if (!isMode(mode)) {
    throw new Error(
      `GRANDCHAT_BROADCAST_MODE is ${JSON.stringify(mode)}: allowed are ${BROADCAST_MODES.join(', ')}`,
    );
  }
  return {
    mode,
    partitions: count(env, 'GRANDCHAT_OUTBOX_PARTITIONS', DEFAULT_PARTITIONS),
    bigRoomPartitions: count(env, 'GRANDCHAT_BIG_ROOM_PARTITIONS', DEFAULT_BIG_ROOM_PARTITIONS),
    cdcRetention: retentionFrom(env),
  };
}

function isMode(text: string): text is BroadcastMode {
  return (BROADCAST_MODES as readonly string[]).includes(text);
}

function retentionFrom(env: NodeJS.ProcessEnv): number {
  const { GRANDCHAT_CDC_RETENTION: text } = env;
  if (!text) return DEFAULT_CDC_RETENTION_MS;
  const retention = parseDuration(text);
  if (retention !== undefined && retention >= MIN_CDC_RETENTION_MS) return retention;
  throw new Error(
    `GRANDCHAT_CDC_RETENTION is ${JSON.stringify(text)}: a duration of 1m or more is allowed, such as 168h`,
  );
}

function count(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (!text) return fallback;
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new Error(`${name} is ${JSON.stringify(text)}: a whole number from 1 to 999 is allowed`);
}
