import { type Database, migrate } from 'carillon';
import { type Logger, pino } from 'pino';
import { CsrfTokens, Sessions } from './accounts/sessions.ts';
import { Tokens } from './accounts/tokens.ts';
import { createDemo, type DemoAccount } from './demo.ts';
import { createApp } from './http/app.ts';
import { Guard } from './http/guard.ts';
import { proxyWebSockets } from './http/websocket-proxy.ts';
import { MIGRATIONS } from './migrations.ts';
import { CarillonClient } from './push/carillon-client.ts';
import { Devices } from './push/devices.ts';
import type { Firebase } from './push/firebase.ts';
import { type BroadcastOptions, createCommands } from './rooms/commands/mode.ts';
import type { RealtimeServer } from './rooms/commands/realtime-server.ts';
import { Messages } from './rooms/messages.ts';
import { Rooms } from './rooms/rooms.ts';
import { DEFAULT_LIMITS, type Limits, type Settings } from './services.ts';

const SWEEP_MS = 60 * 60_000;

export interface GrandChatOptions {
  /** Stays the caller's, who closes it. */
  readonly db: Database;
  /** Where people reach it, without a slash at the end; https makes cookies secure. */
  readonly origin: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly host?: string;
  readonly carillon: { readonly url: string; readonly apiKey: string; readonly tokenSecret: string };
  /** Carillon's. Empty switches native Web Push off. */
  readonly vapidPublicKey: string;
  /** Browsers are reached through this project instead; Carillon needs its `fcm` provider then. */
  readonly firebase?: Firebase | undefined;
  /** Folder of the built front end; without it only the API is served. */
  readonly webRoot?: string;
  /** Its partitions of both kinds together are as many as the consumer's. */
  readonly broadcast?: BroadcastOptions;
  /** The server that has the real-time connections; Carillon when absent. Its tokens have Carillon's secret. */
  readonly realtime?: RealtimeServer | undefined;
  /** Fills an empty database with people and rooms to try. */
  readonly demo?: boolean;
  readonly trustProxy?: boolean;
  readonly limits?: Partial<Limits>;
  readonly logger?: Pick<Logger, 'info' | 'warn' | 'error'>;
}

export interface GrandChat {
  readonly port: number;
  /** Made at this start; empty when there were people already. */
  readonly demoAccounts: readonly DemoAccount[];
  close(): Promise<void>;
}

/** Brings the schema up to date and serves REST, the front end and the way to Carillon's WebSocket. */
export async function startGrandChat(options: GrandChatOptions): Promise<GrandChat> {
  const { db, origin, carillon, firebase, realtime } = options;
  const vapidPublicKey = firebase?.vapidPublicKey ?? options.vapidPublicKey;
  const logger = options.logger ?? pino({ name: 'grandchat', level: 'warn' });
  await migrate(db, 'grandchat', MIGRATIONS);
  const demoAccounts = options.demo ? await createDemo(db) : [];
  const commands = createCommands({
    ...options.broadcast,
    db,
    push: { origin, firebase: firebase !== undefined },
    realtime: realtime ?? carillon,
    isRealtimeApart: realtime !== undefined,
    logger,
  });
  const sessions = new Sessions(db);
  const settings: Settings = {
    push_notifications: {
      enabled: vapidPublicKey !== '',
      vapid_public_key: vapidPublicKey,
      firebase_config: firebase?.config ?? null,
    },
  };
  const app = await createApp({
    logger,
    webRoot: options.webRoot,
    firebase: firebase !== undefined,
    trustProxy: options.trustProxy ?? false,
    services: {
      db,
      sessions,
      guard: new Guard({
        sessions,
        csrf: new CsrfTokens(carillon.tokenSecret),
        secure: origin.startsWith('https:'),
      }),
      tokens: new Tokens(carillon.tokenSecret),
      rooms: new Rooms(db, commands),
      messages: new Messages(db, commands),
      devices: new Devices({
        db,
        sessions,
        commands: commands.push,
        carillon: new CarillonClient(carillon),
        logger,
      }),
      settings,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
    },
  });
  const cutWebSockets = proxyWebSockets({
    server: app.server,
    target: realtime?.url ?? carillon.url,
    origin,
  });
  await app
    .listen({ port: options.port, host: options.host ?? '0.0.0.0' })
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') throw error;
      throw new Error(`port ${options.port} is in use by another program: stop it, or set GRANDCHAT_PORT`);
    });
  await commands.start();
  const sweep = setInterval(() => {
    sessions
      .forgetExpired((tx, userId, deviceId) => commands.push.removeDevice(tx, userId, deviceId))
      .catch((error) => logger.error({ err: error }, 'could not forget expired sessions'));
  }, SWEEP_MS);
  return {
    port: (app.server.address() as { port: number }).port,
    demoAccounts,
    async close() {
      clearInterval(sweep);
      cutWebSockets();
      await app.close();
      await commands.close();
    },
  };
}
