import { hostname } from 'node:os';
import { pino } from 'pino';
import { batchMethod } from './api/batch.ts';
import { Dispatcher } from './api/dispatch.ts';
import { startGrpcApi } from './api/grpc/server.ts';
import { pushMethods } from './api/methods/push.ts';
import { realtimeMethods } from './api/methods/realtime.ts';
import { errorBody, toApiError } from './api/replies.ts';
import type { Config } from './config/config.ts';
import { loadSecrets, withSecrets } from './config/secrets.ts';
import { startConsumers } from './consumers/start.ts';
import { createHealth, type Health } from './health.ts';
import { startHttpServers } from './http-servers.ts';
import type { Logger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { openEngine } from './realtime/engine.ts';
import { createRealtime } from './realtime/realtime.ts';
import { startPush } from './start-push.ts';
import { keepTicksQuick } from './steady-ticks.ts';
import type { Database } from './storage/database.ts';
import { migrate } from './storage/migrate.ts';
import { PUSH_MIGRATIONS } from './storage/migrations/push.ts';
import { openDatabase } from './storage/open.ts';
import { VERSION } from './version.ts';

export interface CarillonOptions {
  readonly config: Config;
  /** Keeps the secrets of the first start and, without a DSN, the embedded database. */
  readonly dataDir: string;
  /** A database that is open already, shared with the caller, who closes it. */
  readonly db?: Database;
  readonly logger?: Logger;
  /** `worker` runs push workers, and over HTTP only health and metrics. Default `serve`: everything. */
  readonly role?: 'serve' | 'worker';
}

export interface Carillon {
  /** Where it listens, e.g. `http://localhost:8000`. */
  readonly url: string;
  readonly port: number;
  /** Where gRPC listens; undefined when it is off. */
  /** Where server API, health and metrics are, when that is not `port`. */
  readonly internalPort: number | undefined;
  readonly grpcPort: number | undefined;
  /** Runs a method of the server API without HTTP; throws as `Dispatcher.dispatch`. */
  dispatch(method: string, request: unknown): Promise<object>;
  /** Stops taking work, finishes what is under way within `shutdown.timeout`, and lets go of everything. */
  close(): Promise<void>;
}

/**
 * Puts all parts together and starts them: database, push workers, real time, HTTP, consumers. Consumers come last, so that
 * nothing is taken from an outbox before it can be carried out.
 */
export async function startCarillon(options: CarillonOptions): Promise<Carillon> {
  keepTicksQuick();
  const config = withSecrets(options.config, await loadSecrets(options.dataDir));
  const logger = options.logger ?? createLogger(config.log.level);
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const db = await openOwnDatabase(options, config, logger, closers);
    const metrics = createMetrics();
    const isWorker = options.role === 'worker';
    const workers = isWorker || config.push_notifications.serve_workers;
    const push = await startPush({ config, db, logger, metrics, workers, closers });
    const engine = isWorker ? undefined : await openEngine(config, logger);
    if (engine) closers.push(() => engine.close());
    let haveConsumersStarted = false;
    const health = createHealth({
      ...(db && { database: () => db.query('SELECT 1') }),
      ...(push && { queue: () => push.queue.ping() }),
      ...(engine && {
        realtime: () => engine.broker.ping(),
        // It listens before they run, and ends when one of them cannot.
        async consumers() {
          if (!haveConsumersStarted) throw new Error('are being started');
        },
      }),
    });
    if (!engine) return await startWorkerHttp({ config, logger, metrics, health, db, closers, close });
    const nodeName = `${hostname()}_${config.http_server.port}`;
    const realtime = createRealtime({
      config,
      logger,
      nodeName,
      version: VERSION,
      engine,
      onProxyCall: (call) => metrics.observeProxyCall(call),
    });
    closers.push(() => realtime.close());
    metrics.observeRealtime({
      version: VERSION,
      stats: () => ({ ...realtime.stats(), nodes: realtime.nodes.list().length }),
      counts: realtime.counters,
    });

    const toErrorReply = (error: unknown) => ({ error: errorBody(toApiError(error, 'batch', logger)) });
    const dispatcher: Dispatcher = new Dispatcher(
      [...realtimeMethods(realtime), ...pushMethods(push), batchMethod(() => dispatcher, toErrorReply)],
      metrics,
    );
    await realtime.start();
    const http = await startHttpServers({
      config,
      dispatcher,
      logger,
      health,
      metrics: () => metrics.text(),
      connections: {
        paths: realtime.requestPaths,
        handle: (request, response) => realtime.handleRequest(request, response),
      },
      upgrade: (request, socket, head) => realtime.handleUpgrade(request, socket, head),
      ...(config.prometheus.instrument_http_handlers && { countRequest: metrics.countHttpRequest }),
    });
    const { port, internalPort } = http;
    closers.push(async () => {
      // A server does not close while a WebSocket is open: clients are sent away meanwhile.
      const closing = http.close();
      await realtime.close();
      await closing;
    });
    const grpc = config.grpc_api.enabled
      ? await startGrpcApi({
          config,
          dispatcher,
          logger,
        })
      : undefined;
    if (grpc) closers.push(() => grpc.close());
    closers.push(
      await startConsumers({
        config,
        db,
        logger,
        metrics,
        dispatch: consumerDispatch(dispatcher, logger),
        isAllowed: (method) => dispatcher.isMutating(method),
      }),
    );
    haveConsumersStarted = true;
    const url = `http://${config.http_server.address || 'localhost'}:${port}`;
    const grpcPort = grpc?.port;
    logger.info(
      { url, internalPort, grpcPort, version: VERSION, database: db?.kind ?? 'none' },
      'Carillon serves',
    );
    return {
      url,
      port,
      internalPort,
      grpcPort,
      dispatch: (method, request) => dispatcher.dispatch(method, request),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface WorkerParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: () => Promise<Health>;
  readonly db: Database | undefined;
  readonly closers: (() => Promise<void>)[];
  readonly close: () => Promise<void>;
}

/** What a worker shows over HTTP: its health and its metrics. */
async function startWorkerHttp(parts: WorkerParts): Promise<Carillon> {
  const { logger, metrics, health, db, closers, close } = parts;
  const { http_server, http_api, ...rest } = parts.config;
  const config = { ...rest, http_server, http_api: { ...http_api, disabled: true } };
  const dispatcher = new Dispatcher([]);
  const http = await startHttpServers({
    config,
    dispatcher,
    logger,
    health,
    metrics: () => metrics.text(),
  });
  closers.push(() => http.close());
  const { port, internalPort } = http;
  const url = `http://${http_server.address || 'localhost'}:${port}`;
  logger.info({ url, version: VERSION, database: db?.kind ?? 'none' }, 'push workers run');
  return {
    url,
    port,
    internalPort,
    grpcPort: undefined,
    dispatch: (method, request) => dispatcher.dispatch(method, request),
    close,
  };
}

/** pino to stdout; secrets never reach it, because nothing hands it any. */
export function createLogger(level: Config['log']['level']): Logger {
  return pino({ level: level === 'none' ? 'silent' : level });
}

async function openOwnDatabase(
  { db, dataDir }: CarillonOptions,
  config: Config,
  logger: Logger,
  closers: (() => Promise<void>)[],
): Promise<Database | undefined> {
  if (!config.database.enabled) return undefined;
  const { dsn, pool_size: poolSize } = config.database.postgresql;
  const onError = (error: Error) => logger.error({ err: error }, 'database connection lost');
  const own = db ?? (await openDatabase(dsn ? { dsn, poolSize, onError } : { dataDir }));
  if (!db) closers.push(() => own.close());
  const applied = await migrate(own, 'carillon', PUSH_MIGRATIONS);
  if (applied.length > 0) logger.info({ applied }, 'database schema brought up to date');
  return own;
}

/** Consumers retry code 100, and a whole broadcast when one channel failed with it (consumers, section 1.3). */
function consumerDispatch(dispatcher: Dispatcher, logger: Logger) {
  return async (method: string, request: unknown): Promise<object> => {
    try {
      return await dispatcher.dispatch(method, request, { wantsResult: false, protocol: 'consuming' });
    } catch (error) {
      throw toApiError(error, method, logger);
    }
  };
}
