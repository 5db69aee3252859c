import { join, resolve } from 'node:path';
import { broadcastFromEnvironment, realtimeFromEnvironment } from 'grandchat-server';

const ROOT = join(import.meta.dirname, '..', '..');

export const CARILLON_COMMAND = join(ROOT, 'packages', 'carillon', 'bin', 'carillon.mjs');
export const GRANDCHAT_MAIN = join(ROOT, 'apps', 'grandchat', 'server', 'src', 'main.ts');

export interface StartSettings {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly grandchatPort: number;
  readonly carillonPort: number;
  /** Where people reach GrandChat, without a slash at the end. */
  readonly origin: string;
  readonly carillonUrl: string;
  readonly webRoot: string;
  /** Carillon's configuration for GrandChat; what differs from machine to machine comes by environment. */
  readonly carillonConfig: string;
  /** Of GrandChat's commands, for the consumer that reads them. */
  readonly outboxPartitions: number;
}

/** @throws naming the variable, its value and what is allowed */
export function settingsFromEnvironment(
  env: NodeJS.ProcessEnv,
  { webRoot }: { webRoot: string },
): StartSettings {
  const grandchatPort = portFrom(env, 'GRANDCHAT_PORT', 9000);
  const carillonPort = portFrom(env, 'CARILLON_PORT', portFrom(env, 'CARILLON_HTTP_SERVER_PORT', 8000));
  return {
    dataDir: resolve(env.CARILLON_DATA_DIR || join(ROOT, '.data')),
    databaseUrl: env.DATABASE_URL || undefined,
    grandchatPort,
    carillonPort,
    origin: env.GRANDCHAT_ORIGIN?.replace(/\/$/, '') || `http://localhost:${grandchatPort}`,
    carillonUrl: `http://localhost:${carillonPort}`,
    webRoot,
    carillonConfig: carillonConfig(env),
    outboxPartitions: outboxPartitions(env),
  };
}

function carillonConfig(env: NodeJS.ProcessEnv): string {
  const { mode } = broadcastFromEnvironment(env);
  const isCdc = mode === 'cdc' || mode === 'api_cdc';
  const source = env.GRANDCHAT_CDC_SOURCE || 'wal';
  if (source !== 'wal' && source !== 'kafka')
    throw new Error(`GRANDCHAT_CDC_SOURCE is ${JSON.stringify(source)}: allowed are wal, kafka`);
  const cdc = source === 'wal' ? 'carillon-cdc' : 'carillon-kafka';
  const name = realtimeFromEnvironment(env) ? 'carillon-push' : isCdc ? cdc : 'carillon';
  return join(ROOT, 'apps', 'grandchat', `${name}.json`);
}

function outboxPartitions(env: NodeJS.ProcessEnv): number {
  const { partitions, bigRoomPartitions } = broadcastFromEnvironment(env);
  return realtimeFromEnvironment(env) ? partitions : partitions + bigRoomPartitions;
}

/**
 * The environment by which Carillon's configuration learns what is set here. Variables of the user's own win, so that
 * any option can be tried without a file.
 */
export function carillonEnvironment(settings: StartSettings, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const origins = new Set([
    settings.origin,
    `http://localhost:${settings.grandchatPort}`,
    `http://127.0.0.1:${settings.grandchatPort}`,
  ]);
  return {
    CARILLON_CLIENT_ALLOWED_ORIGINS: [...origins].join(','),
    // In a terminal of somebody who tries it out, every push would be a line of JSON.
    CARILLON_LOG_LEVEL: 'warn',
    CARILLON_CONSUMERS_GRANDCHAT_POSTGRESQL_NUM_PARTITIONS: String(settings.outboxPartitions),
    ...env,
    CARILLON_DATA_DIR: settings.dataDir,
    CARILLON_HTTP_SERVER_PORT: String(settings.carillonPort),
    ...(settings.databaseUrl && { CARILLON_DATABASE_POSTGRESQL_DSN: settings.databaseUrl }),
  };
}

/**
 * What to say at the start when GrandChat's browsers are to be reached through Firebase and Carillon does not send there;
 * undefined when all is well.
 */
export function firebaseWarning(
  env: NodeJS.ProcessEnv,
  enabledProviders: readonly string[],
): string | undefined {
  if (!env.GRANDCHAT_FIREBASE_CONFIG || enabledProviders.includes('fcm')) return undefined;
  return `GRANDCHAT_FIREBASE_CONFIG is set, but Carillon sends by ${enabledProviders.join(', ') || 'nothing'} only, so that no bell can be turned on: set CARILLON_PUSH_NOTIFICATIONS_ENABLED_PROVIDERS=webpush,fcm and CARILLON_PUSH_NOTIFICATIONS_FCM_CREDENTIALS_FILE`;
}

function portFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (!text) return fallback;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`${name} is ${JSON.stringify(text)}: a port from 1 to 65535 is allowed`);
}
