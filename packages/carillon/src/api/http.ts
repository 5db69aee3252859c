import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import type { Config } from '../config/config.ts';
import type { Health } from '../health.ts';
import type { Logger } from '../logger.ts';
import { type Dispatcher, RequestTypeError } from './dispatch.ts';
import { encodeResult, parseExact } from './exact-json.ts';
import { runLegacy } from './legacy.ts';
import { errorBody, toApiError } from './replies.ts';

const CALL = { wantsResult: true, protocol: 'http' } as const;

export interface HttpApiOptions {
  readonly config: Pick<Config, 'http_api' | 'health' | 'prometheus'>;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  readonly health: () => Promise<Health>;
  /** Prometheus text; absent when metrics are off. */
  readonly metrics?: () => Promise<string>;
  /** Told of every request that has been answered; `path` is the route's, `/` where there is none. */
  readonly countRequest?: (path: string, method: string, status: number) => void;
  /** Transports of real time, which take requests themselves. */
  readonly connections?: {
    readonly paths: readonly string[];
    handle(request: IncomingMessage, response: ServerResponse): boolean;
  };
}

/**
 * The HTTP side of the server API. Checks in this order (server-api, section 1): method (405), key (401), body
 * (413), JSON and types (400, plain text), then the method itself.
 */
export function createHttpApi(options: HttpApiOptions): FastifyInstance {
  const { config, dispatcher, logger } = options;
  const { http_api: api, health, prometheus } = config;
  const app = fastify({
    bodyLimit: api.max_body_size,
    exposeHeadRoutes: false,
    // A slow or silent caller must not hold a connection for ever.
    requestTimeout: 60_000,
    forceCloseConnections: 'idle',
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

  const { countRequest } = options;
  if (countRequest) {
    app.addHook('onRequest', async (request, reply) => {
      // The answer to a transport's request may be long, and is cut rather than finished when the client goes.
      reply.raw.once('close', () => {
        const { url = '/' } = request.routeOptions;
        const { method } = (request.params ?? {}) as { method?: string };
        const isKnown = method === undefined || dispatcher.has(method);
        const path = isKnown ? url.replace(':method', method ?? '') : '/';
        countRequest(path, request.method, reply.raw.statusCode);
      });
    });
  }

  if (!api.disabled) {
    const authorized = api.insecure ? () => true : keyChecker(api.key);
    app.all(api.handler_prefix, {
      onRequest: async (request, reply) => {
        if (request.method !== 'POST') return reply.code(405).send();
        if (!authorized(request)) return reply.code(401).send();
      },
      handler: async (request, reply) => {
        try {
          const body = typeof request.body === 'string' ? request.body : '';
          const replies = await runLegacy(dispatcher, body, logger);
          return reply.type('application/json').send(replies);
        } catch (error) {
          if (!(error instanceof RequestTypeError)) throw error;
          return reply.code(400).type('text/plain').send(`Bad Request: ${error.message}`);
        }
      },
    });
    app.all<{ Params: { method: string } }>(`${api.handler_prefix}/:method`, {
      onRequest: async (request, reply) => {
        if (!dispatcher.has(request.params.method)) return reply.callNotFound();
        if (request.method !== 'POST') return reply.code(405).send();
        if (!authorized(request)) return reply.code(401).send();
      },
      handler: async (request, reply) => {
        const { method } = request.params;
        const transport =
          api.error_mode === 'transport' || request.headers['x-centrifugo-error-mode'] === 'transport';
        reply.type('application/json');
        try {
          const body = parseBody(request.body, (error) => dispatcher.countError(CALL, method, error));
          const result = await dispatcher.dispatch(method, body, CALL);
          // A batch is its replies, with no wrapper.
          return encodeResult(method === 'batch' ? result : { result });
        } catch (error) {
          if (error instanceof RequestTypeError) {
            return reply.code(400).type('text/plain').send(`Bad Request: ${error.message}`);
          }
          const apiError = toApiError(error, method, logger);
          if (!transport) {
            // What could not be kept must not look like a success to a caller that reads nothing but the status.
            if (apiError.status === 503) reply.code(503);
            return JSON.stringify({ error: errorBody(apiError) });
          }
          return reply.code(apiError.status).send(JSON.stringify(errorBody(apiError)));
        }
      },
    });
  }
  if (health.enabled) {
    app.get(health.handler_prefix, async (_request, reply) => {
      const state = await options.health();
      return reply.code(state.ready ? 200 : 503).send(state);
    });
    app.get(`${health.handler_prefix}/live`, async () => ({ live: true }));
  }
  const { metrics } = options;
  if (prometheus.enabled && metrics) {
    app.get(prometheus.handler_prefix, async (_request, reply) => {
      reply.type('text/plain; version=0.0.4; charset=utf-8');
      return metrics();
    });
  }

  const { connections } = options;
  for (const path of connections?.paths ?? []) {
    app.all(path, {
      onRequest: async (request, reply) => {
        reply.hijack();
        connections?.handle(request.raw, reply.raw);
      },
      handler: async () => {},
    });
  }

  app.setNotFoundHandler((_request, reply) => reply.code(404).type('text/plain').send('404 page not found'));
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const { method } = (request.params ?? {}) as { method?: string };
    if (method && dispatcher.has(method)) dispatcher.countUnread('http', method);
    const status = error.statusCode ?? 500;
    if (status === 413) {
      return reply
        .code(413)
        .type('text/plain')
        .send(`Body too large: at most ${api.max_body_size} bytes are allowed`);
    }
    if (status >= 500) logger.error({ err: error }, 'an HTTP request failed');
    return reply
      .code(status)
      .type('text/plain')
      .send(status >= 500 ? 'Internal Server Error' : error.message);
  });
  return app;
}

/** @throws RequestTypeError */
function parseBody(body: unknown, onError: (error: unknown) => void): unknown {
  try {
    return parseExact(typeof body === 'string' ? body : '');
  } catch (error) {
    const typeError = new RequestTypeError(`body is not valid JSON: ${(error as Error).message}`);
    onError(typeError);
    throw typeError;
  }
}

/** `X-API-Key`, else `Authorization: apikey …`, else the query's `api_key`. An empty key lets nobody in. */
function keyChecker(key: string): (request: FastifyRequest) => boolean {
  // Digests have one length, so the comparison tells nothing of the key's.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(key);
  const matches = (given: unknown) =>
    key !== '' && typeof given === 'string' && given !== '' && timingSafeEqual(digest(given), expected);
  return ({ headers, query }) => {
    const own = headers['x-api-key'];
    const [scheme, value, ...rest] = own
      ? ['apikey', own]
      : (headers.authorization ?? '').trim().split(/\s+/);
    if (scheme?.toLowerCase() === 'apikey' && rest.length === 0 && matches(value)) return true;
    return matches((query as Record<string, unknown>).api_key);
  };
}
