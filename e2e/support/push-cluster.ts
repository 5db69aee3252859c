import { type ChildProcess, spawn } from 'node:child_process';
import { createECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { CARILLON_COMMAND } from '../../scripts/start/settings.ts';

const API_KEY = 'cluster key';

/** One `carillon serve` that takes pushes, and workers that send them, each a process of its own. */
export interface PushCluster {
  call<T = Record<string, unknown>>(method: string, request: object): Promise<{ status: number; body: T }>;
  startWorker(): Promise<ClusterWorker>;
  /** Registers so many devices in one topic, straight in the database, all with one browser's keys. */
  registerCrowd(topic: string, count: number, origin: string): Promise<void>;
  /** Jobs that are left of a push, by its status. */
  state(uid: string): Promise<string>;
  close(): Promise<void>;
}

export interface ClusterWorker {
  readonly process: ChildProcess;
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  log(): string;
}

export interface ClusterOptions {
  readonly dsn: string;
  readonly sinkOrigin: string;
  /** `push_notifications.queue` */
  readonly queue?: object;
  /** Further `push_notifications`. */
  readonly push?: object;
}

export async function startPushCluster(options: ClusterOptions): Promise<PushCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'));
  const file = join(folder, 'config.json');
  const config = {
    http_server: { port: 0 },
    http_api: { key: API_KEY },
    health: { enabled: true },
    database: { enabled: true, postgresql: { dsn: options.dsn } },
    push_notifications: {
      enabled: true,
      enabled_providers: ['webpush'],
      serve_workers: false,
      queue: { lease: '1s', ...options.queue },
      retry: { base_delay: '100ms', max_delay: '1s', max_attempts: 10 },
      webpush: { subject: 'mailto:ops@example.com', insecure_endpoint_origins: [options.sinkOrigin] },
      ...options.push,
    },
  };
  await writeFile(file, JSON.stringify(config));
  const env = { ...process.env, CARILLON_DATA_DIR: folder };
  const running = new Set<ClusterWorker>();

  async function start(role: 'serve' | 'worker'): Promise<ClusterWorker & { url: string }> {
    const child = spawn(process.execPath, [CARILLON_COMMAND, role, '--config', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    });
    let log = '';
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        log += chunk;
        const found = /"url":"([^"]+)"/.exec(log)?.[1];
        if (found) resolve(found);
      });
      child.once('exit', (code) => reject(new Error(`carillon ${role} ended with ${code}:\n${log}`)));
    });
    const started = {
      process: child,
      url,
      log: () => log,
      async kill(signal: 'SIGKILL' | 'SIGTERM') {
        running.delete(started);
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      },
    };
    running.add(started);
    return started;
  }

  const server = await start('serve');
  const call = async <T>(method: string, request: object) => {
    const response = await fetch(`${server.url}/api/${method}`, {
      method: 'POST',
      headers: { 'X-API-Key': API_KEY },
      body: JSON.stringify(request),
    });
    return { status: response.status, body: (await response.json()) as T };
  };
  return {
    call,
    startWorker: () => start('worker'),
    async registerCrowd(topic, count, origin) {
      const client = new pg.Client({ connectionString: options.dsn });
      await client.connect();
      const keys = {
        p256dh: createECDH('prime256v1').generateKeys('base64url'),
        auth: randomBytes(16).toString('base64url'),
      };
      await client.query(
        `WITH crowd AS (
           INSERT INTO carillon_devices (id, provider, token, platform, user_id, webpush_keys)
           SELECT 'webpush-01ARZ3NDEKTSV4' || lpad(n::text, 12, '0'), 'webpush', $1 || '/device-' || n, 'web', 'crowd', $2::jsonb
           FROM generate_series(1, $3::int) AS n RETURNING id
         ) INSERT INTO carillon_device_topics (device_id, topic) SELECT id, $4 FROM crowd`,
        [origin, JSON.stringify(keys), count, topic],
      );
      await client.end();
    },
    async state(uid) {
      const { body } = await call<{ result?: { state?: string } }>('push_status', { uid, limit: 1 });
      return body.result?.state ?? 'unknown';
    },
    async close() {
      await Promise.all([...running].map((one) => one.kill('SIGTERM')));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
