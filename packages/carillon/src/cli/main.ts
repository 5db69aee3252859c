/** The command `carillon`. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { ConfigError, loadConfig } from '../config/load.ts';
import { generateVapidKeys } from '../push/providers/webpush/index.ts';
import { createLogger, startCarillon } from '../server.ts';
import { FolderLockedError } from '../storage/folder-lock.ts';
import { VERSION } from '../version.ts';

const HELP = `carillon: real-time messages and push notifications

  carillon serve [--config config.json]         start the server
  carillon worker [--config config.json]        run push workers alone, beside servers on the same PostgreSQL or Redis
  carillon check-config [--config config.json]  read the configuration, name what is wrong, start nothing
  carillon vapid                                make a VAPID key pair for Web Push
  carillon version

Every option can be set by environment: CARILLON_ and its path, e.g. CARILLON_HTTP_SERVER_PORT=8000.
CARILLON_DATA_DIR (./carillon-data) keeps secrets and, without database.postgresql.dsn, the embedded database.`;

/** Runs one command line; gives back the exit code, or undefined while a server runs. */
export async function main(args: readonly string[]): Promise<number | undefined> {
  const [command = 'help', ...rest] = args;
  try {
    const { values } = parseArgs({ args: rest, options: { config: { type: 'string', short: 'c' } } });
    const file = values.config ?? (existsSync('config.json') ? 'config.json' : undefined);
    switch (command) {
      case 'serve':
        await serve(file, 'serve');
        return undefined;
      case 'worker':
        await serve(file, 'worker');
        return undefined;
      case 'check-config': {
        const { warnings } = await loadConfig({ ...(file && { file }), env: process.env });
        for (const warning of warnings) console.warn(`warning: ${warning}`);
        console.log(`${file ?? 'The environment'} is a valid configuration.`);
        return 0;
      }
      case 'vapid':
        console.log(JSON.stringify(generateVapidKeys(), null, 2));
        return 0;
      case 'version':
      case '--version':
        console.log(VERSION);
        return 0;
      case 'help':
      case '--help':
        console.log(HELP);
        return 0;
      default:
        console.error(`Unknown command ${JSON.stringify(command)}.\n\n${HELP}`);
        return 2;
    }
  } catch (error) {
    console.error(`carillon ${command}: ${wordsOf(error)}`);
    return 1;
  }
}

async function serve(file: string | undefined, role: 'serve' | 'worker'): Promise<void> {
  const { config, warnings } = await loadConfig({ ...(file && { file }), env: process.env });
  const dataDir = resolve(process.env.CARILLON_DATA_DIR || 'carillon-data');
  if (role === 'worker') checkWorker(config, dataDir);
  const logger = createLogger(config.log.level);
  for (const warning of warnings) logger.warn({}, warning);
  const carillon = await startCarillon({ config, dataDir, logger, role });
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, 'stopping; a second signal ends at once');
    const limit = setTimeout(() => {
      logger.error({ timeoutMs: config.shutdown.timeout }, 'not everything ended in time');
      process.exit(1);
    }, config.shutdown.timeout + 5_000);
    limit.unref();
    carillon.close().then(
      () => process.exit(0),
      (error) => {
        logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

/** @throws ConfigError when there is nothing to work on, or only what another process holds */
function checkWorker({ push_notifications: push, database }: Config, dataDir: string): void {
  if (!push.enabled)
    throw new ConfigError(['push_notifications.enabled is false: a worker has nothing to do']);
  if (database.enabled && !database.postgresql.dsn) {
    throw new ConfigError([
      'a worker needs database.postgresql.dsn: the embedded database belongs to one process. (Without devices: database.enabled: false, and a queue in Redis or PostgreSQL)',
    ]);
  }
  const ownKeys = push.webpush.vapid_public_key !== '' || existsSync(join(dataDir, 'secrets.json'));
  if (push.enabled_providers.includes('webpush') && !ownKeys) {
    throw new ConfigError([
      `push_notifications.webpush.vapid_public_key and vapid_private_key are missing: a worker must sign with the server's keys. Set them for both, or give the worker the server's secrets.json in ${dataDir} (CARILLON_DATA_DIR)`,
    ]);
  }
}

/** What went wrong, for a person; a stack only for what nobody foresaw. */
function wordsOf(error: unknown): string {
  if (error instanceof ConfigError || error instanceof FolderLockedError) return error.message;
  const { message, stack, code } = error as NodeJS.ErrnoException;
  return code === undefined && !/^(port|consumer) /.test(message) ? (stack ?? message) : message;
}
