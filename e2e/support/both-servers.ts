import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, openDatabase } from 'carillon';
import { MIGRATIONS } from '../../apps/grandchat/server/src/migrations.ts';
import { createPostgresDatabase } from '../../packages/carillon/test/support/database.ts';
import { freePort } from '../../scripts/setup/free-ports.ts';
import { CARILLON_COMMAND } from '../../scripts/start/settings.ts';
import { startCentrifugo } from './centrifugo.ts';

/** Centrifugo and Carillon side by side, started by one and the same configuration file. */
export interface BothServers {
  /** Address of Centrifugo. */
  readonly centrifugo: string;
  /** Address of Carillon. */
  readonly carillon: string;
  /** Of the database with GrandChat's tables, whose outbox both read. */
  readonly dsn: string;
  close(): Promise<void>;
}

export interface TutorialOptions {
  /** Further ones. */
  readonly namespaces?: readonly object[];
  /** Where GrandChat is. */
  readonly origin?: string;
  /** Of the outbox. */
  readonly partitions?: number;
  /** `host:port` of Kafka; without it there is no consumer of it. */
  readonly kafka?: string;
}

/** The tutorial's configuration file, to the letter but for the hosts. Keys of parts that are switched off stay. */
export function tutorialConfiguration(
  dsn: string,
  { namespaces = [], origin = 'http://localhost:9000', partitions = 1, kafka }: TutorialOptions = {},
): object {
  return {
    admin: { enabled: true, password: 'password', secret: 'secret' },
    engine: { redis: { address: 'redis:6379' }, type: 'memory' },
    client: { token: { hmac_secret_key: 'secret' }, allowed_origins: [origin] },
    prometheus: { enabled: true, instrument_http_handlers: true, channel_namespace_resolution: true },
    log: { level: 'debug' },
    http_server: { address: '0.0.0.0' },
    http_api: { key: 'api_key' },
    channel: {
      namespaces: [
        { name: 'personal', history_size: 300, history_ttl: '600s', force_recovery: true },
        ...namespaces,
      ],
    },
    consumers: [
      {
        name: 'postgresql',
        type: 'postgresql',
        postgresql: {
          dsn,
          outbox_table_name: 'chat_outbox',
          num_partitions: partitions,
          partition_select_limit: 100,
          partition_poll_interval: '300ms',
          partition_notification_channel: 'centrifugo_partition_change',
        },
        enabled: true,
      },
      ...(kafka
        ? [
            {
              name: 'kafka',
              type: 'kafka',
              kafka: {
                brokers: [kafka],
                topics: ['postgres.public.chat_cdc'],
                consumer_group: 'centrifugo',
              },
              enabled: true,
            },
          ]
        : []),
    ],
    database: { enabled: false, postgresql: { dsn } },
    push_notifications: {
      enabled: false,
      queue: { redis: { address: 'redis:6379' } },
      enabled_providers: ['fcm'],
      fcm: { credentials_file: 'fcm.json' },
    },
  };
}

export async function startBoth(namespaces: readonly object[] = []): Promise<BothServers> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const { dsn, drop } = await createPostgresDatabase();
    closers.push(drop);
    const db = await openDatabase({ dsn });
    await migrate(db, 'grandchat', MIGRATIONS).finally(() => db.close());
    const folder = await mkdtemp(join(tmpdir(), 'both-servers-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'config.json');
    await writeFile(file, JSON.stringify(tutorialConfiguration(dsn, { namespaces }), null, 2));
    const centrifugo = await startCentrifugo({ file, port: await freePort() });
    closers.push(() => centrifugo.close());
    const carillon = await startCarillon(file, folder);
    closers.push(() => carillon.close());
    return { centrifugo: centrifugo.url, carillon: carillon.url, dsn, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startCarillon(file: string, dataDir: string) {
  const child: ChildProcess = spawn(process.execPath, [CARILLON_COMMAND, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      CARILLON_DATA_DIR: dataDir,
      CARILLON_HTTP_SERVER_PORT: '0',
      CARILLON_HTTP_SERVER_ADDRESS: '127.0.0.1',
    },
  });
  let log = '';
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        log += chunk;
        const found = /"url":"([^"]+)"/.exec(log)?.[1];
        if (found) resolve(found);
      });
    exited.then(([code]) => reject(new Error(`carillon serve ended with ${code}:\n${log}`)));
  });
  return {
    url,
    async close() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
