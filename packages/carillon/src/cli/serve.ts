import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/load.ts';
import { createLogger, startCarillon } from '../server.ts';
import { CONFIG_OPTION, type Command, dataDirectory, readConfig } from './command.ts';

export const serveCommand: Command = {
  help: `carillon serve [--config config.json]

Starts the server. SIGINT and SIGTERM end it when what is under way is done.`,
  run: (args) => serve(args, 'serve'),
};

export const workerCommand: Command = {
  help: `carillon worker [--config config.json]

Runs push workers alone, beside servers on the same PostgreSQL or Redis.`,
  run: (args) => serve(args, 'worker'),
};

async function serve(args: readonly string[], role: 'serve' | 'worker'): Promise<undefined> {
  const { values } = parseArgs({ args: [...args], options: CONFIG_OPTION });
  const { config, warnings } = await readConfig(values.config);
  const dataDir = dataDirectory();
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
