import { createECDH, randomBytes } from 'node:crypto';
import { suite } from 'node:test';
import { Dispatcher } from '../../src/api/dispatch.ts';
import { createHttpApi } from '../../src/api/http.ts';
import { pushMethods } from '../../src/api/methods/push.ts';
import { resolveConfig } from '../../src/config/load.ts';
import type { Logger } from '../../src/logger.ts';
import { providerRules, providerSetups } from '../../src/push/providers/index.ts';
import type { ProviderLane } from '../../src/push/providers/lanes.ts';
import type { Outcome, SendBatch } from '../../src/push/providers/provider.ts';
import { openPush, type Push } from '../../src/push/push.ts';
import { openQueue } from '../../src/push/queue/open.ts';
import type { SenderPool } from '../../src/push/worker/senders.ts';
import type { Database } from '../../src/storage/database.ts';
import { migrate } from '../../src/storage/migrate.ts';
import { PUSH_MIGRATIONS } from '../../src/storage/migrations/push.ts';
import { memoryDatabase, postgresDatabase, type TestDatabase, withoutPostgres } from './database.ts';
import { silent } from './realtime.ts';
import { startRedis, withoutRedis } from './redis.ts';

const ORIGIN = 'https://updates.push.services.mozilla.com';

/** A subscription as a browser gives it; the same name gives the same endpoint. */
export function subscription(name: string): string {
  const browser = createECDH('prime256v1');
  return JSON.stringify({
    endpoint: endpointOf(name),
    keys: { p256dh: browser.generateKeys('base64url'), auth: randomBytes(16).toString('base64url') },
  });
}

export function endpointOf(name: string): string {
  return `${ORIGIN}/wpush/v2/${name}`;
}

type Answer = (endpoint: string, attempt: number) => Omit<Outcome, 'index'> | Promise<Omit<Outcome, 'index'>>;

/** Senders that send nothing: they record, and answer as told. */
export class FakeSenders implements SenderPool {
  /** Names of the endpoints rung, in order. */
  readonly rung: string[] = [];
  readonly batches: SendBatch[] = [];
  /** The lane of each batch. */
  readonly lanes: ProviderLane[] = [];
  answer: Answer = () => ({ kind: 'accepted', code: 'accepted' });
  readonly #attempts = new Map<string, number>();
  #waiting: { count: number; resolve: () => void }[] = [];

  async send(lane: ProviderLane, batch: SendBatch, report: (outcome: Outcome) => void): Promise<void> {
    this.batches.push(batch);
    this.lanes.push(lane);
    await Promise.all(
      Array.from(batch.targets, async ({ token }, index) => {
        const name = token.slice(token.lastIndexOf('/') + 1);
        const attempt = (this.#attempts.get(name) ?? 0) + 1;
        this.#attempts.set(name, attempt);
        this.rung.push(name);
        const answer = this.answer(name, attempt);
        for (const { count, resolve } of this.#waiting) if (this.rung.length >= count) resolve();
        report({ index, ...(await answer) });
      }),
    );
  }

  /** Resolves once so many targets have been rung in all. */
  untilRung(count: number): Promise<void> {
    if (this.rung.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  utilization() {
    return { inFlight: 0, threads: [] };
  }

  async close(): Promise<void> {}
}

export interface PushBench {
  readonly push: Push;
  readonly senders: FakeSenders;
  /** A method of the server API over HTTP; an error of the API is thrown with its code. */
  call<T = Record<string, unknown>>(method: string, request: object): Promise<T>;
  register(name: string, user: string, extra?: object): Promise<string>;
  /** Sends to a filter, with a uid of its own unless one is given. */
  ring(filter: object, extra?: object): Promise<string>;
  /** Resolves when no job is left. */
  untilIdle(): Promise<void>;
  /** Resolves when no job is ready or under way; delayed ones may be left. */
  untilWorkersIdle(): Promise<void>;
  close(): Promise<void>;
}

/** A database and a queue; `queue` is `push_notifications.queue`. */
export interface PushPlace extends TestDatabase {
  readonly queue: object;
  /** Brings delayed jobs of a lane forward, as if their time had come. */
  letTimePass(lane: string): Promise<void>;
}

/** Runs the same suite on every database and queue; `open` gives a fresh place each time it is called. */
export function eachPush(title: string, body: (open: () => Promise<PushPlace>) => void): void {
  suite(`${title} on PGlite`, () => body(() => databasePlace(memoryDatabase)));
  suite(`${title} on PostgreSQL`, { skip: withoutPostgres }, () =>
    body(() => databasePlace(postgresDatabase)),
  );
  suite(`${title} on PostgreSQL with the queue in Redis`, { skip: withoutPostgres || withoutRedis }, () =>
    body(redisPlace),
  );
}

async function databasePlace(database: () => Promise<TestDatabase>): Promise<PushPlace> {
  const opened = await database();
  return {
    ...opened,
    queue: {},
    async letTimePass(lane) {
      await opened.db.query(
        'UPDATE carillon_push_jobs SET ready_at = now() WHERE locked_by IS NULL AND lane = $1',
        [lane],
      );
      await opened.db.query("SELECT pg_notify('carillon_push_jobs', $1)", [lane]);
    },
  };
}

async function redisPlace(): Promise<PushPlace> {
  const [opened, redis] = await Promise.all([postgresDatabase(), startRedis()]);
  return {
    ...opened,
    queue: { redis: { address: redis.address } },
    async letTimePass(lane) {
      const key = `{carillon.push}:delayed:${lane}`;
      await redis.command('ZUNIONSTORE', key, '1', key, 'WEIGHTS', '0');
      await redis.command('PUBLISH', '{carillon.push}:wake', lane);
    },
    async drop() {
      await opened.drop();
      await redis.drop();
    },
  };
}

/** Push on a database, with fake senders; workers run unless `workers` is false. */
export async function openPushBench(
  db: Database,
  options: {
    workers?: boolean;
    config?: object;
    leaseMs?: number;
    senders?: FakeSenders;
    queue?: object;
    logger?: Logger;
  } = {},
): Promise<PushBench> {
  await migrate(db, 'carillon', PUSH_MIGRATIONS);
  const { config } = resolveConfig({
    http_api: { insecure: true },
    push_notifications: {
      enabled: true,
      enabled_providers: ['webpush'],
      retry: { base_delay: '10ms', max_delay: '40ms', max_attempts: 4 },
      ...(options.queue && { queue: options.queue }),
      ...options.config,
      webpush: { subject: 'mailto:ops@example.com', tokens_batch_size: 100 },
    },
  });
  const senders = options.senders ?? new FakeSenders();
  const rules = providerRules(providerSetups(config.push_notifications));
  const { leaseMs = 10_000, logger = silent } = options;
  const queue = await openQueue({ config: config.push_notifications.queue, db, logger, leaseMs });
  const push = openPush({
    db,
    queue,
    leaseMs,
    config: config.push_notifications,
    senders,
    rules,
    logger,
  });
  const app = createHttpApi({
    config,
    dispatcher: new Dispatcher(pushMethods(push)),
    logger: silent,
    health: async () => ({ live: true, ready: true, problems: {} }),
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  if (options.workers !== false) await push.startWorkers();
  const call = async <T>(method: string, request: object) => {
    const response = await fetch(`${url}/api/${method}`, { method: 'POST', body: JSON.stringify(request) });
    const text = await response.text();
    if (response.status === 400) throw new Error(text);
    const { result, error } = JSON.parse(text) as { result: T; error?: { code: number; message: string } };
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  };
  return {
    push,
    senders,
    call,
    async register(name, user, extra = {}) {
      const request = { provider: 'webpush', platform: 'web', token: subscription(name), user, ...extra };
      return (await call<{ id: string }>('device_register', request)).id;
    },
    async ring(filter, extra = {}) {
      const request = {
        recipient: { filter },
        notification: { webpush: { payload: { hello: 1 } } },
        ...extra,
      };
      return (await call<{ uid: string }>('send_push_notification', request)).uid;
    },
    async untilIdle() {
      while ((await push.depth()).size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async untilWorkersIdle() {
      const isBusy = async () => [...(await push.depth()).values()].some(({ ready }) => ready > 0);
      while (await isBusy()) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async close() {
      await app.close();
      await push.close(2_000);
      await queue.close();
    },
  };
}
