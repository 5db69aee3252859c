import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import { createHealth, type Logger, UnavailableError } from 'carillon';
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from 'fastify';
import { accountRoutes } from '../routes/account.ts';
import { roomRoutes } from '../routes/rooms.ts';
import type { Services } from '../services.ts';
import { HttpError } from './errors.ts';
import { serveFrontEnd } from './front-end.ts';
import { sessionOrAddress } from './limits.ts';

const BODY_LIMIT = 64 * 1024;

/** Where Firebase's web SDK gets and renews its token, from pages and from its worker. */
const FIREBASE_APIS = 'https://firebaseinstallations.googleapis.com https://fcmregistrations.googleapis.com';

export interface AppOptions {
  readonly services: Services;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** Folder of the built front end. */
  readonly webRoot: string | undefined;
  /** Whether pages use Firebase's web SDK. */
  readonly firebase: boolean;
  /** Behind a proxy that sets X-Forwarded-For. */
  readonly trustProxy: boolean;
}

/** The HTTP side of GrandChat: REST under /api, the front end elsewhere. */
export async function createApp({
  services,
  logger,
  webRoot,
  firebase,
  trustProxy,
}: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    trustProxy,
    requestTimeout: 30_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 100 },
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      reply.code(error.statusCode ?? 400).send({ detail: clientErrorWords(error) });
    },
  });
  await app.register(cookie);
  await app.register(rateLimit, {
    max: services.limits.requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: sessionOrAddress,
    allowList: (request) => !request.url.startsWith('/api/'),
    errorResponseBuilder: (_request, { ttl }) =>
      new HttpError(429, `too many requests: try again in ${Math.ceil(ttl / 1000)} s`),
  });
  const securityPolicy = contentSecurityPolicy(firebase);
  app.addHook('onSend', async (request, reply) => {
    reply.headers({
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'same-origin',
      'Content-Security-Policy': securityPolicy,
    });
    if (request.url.startsWith('/api/')) reply.header('Cache-Control', 'no-store');
  });
  app.setErrorHandler((error: FastifyError | HttpError, request, reply) => {
    if (error instanceof HttpError) return reply.code(error.status).send(error.body);
    if (error instanceof UnavailableError) {
      logger.warn(
        { path: request.routeOptions.url, reason: error.message },
        'a request was refused: it could not be kept',
      );
      return reply
        .code(503)
        .send({ detail: 'the database cannot be reached at the moment; try again shortly' });
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ detail: clientErrorWords(error) });
    logger.error({ err: error, method: request.method, path: request.routeOptions.url }, 'a request failed');
    return reply.code(500).send({ detail: 'something went wrong on the server' });
  });
  const health = createHealth({ database: () => services.db.query('SELECT 1') });
  app.get('/health', async (_request, reply) => {
    const state = await health();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  accountRoutes(app, services);
  roomRoutes(app, services);
  await serveFrontEnd(app, webRoot);
  return app;
}

function contentSecurityPolicy(firebase: boolean): string {
  return [
    "default-src 'self'",
    ...(firebase ? [`connect-src 'self' ${FIREBASE_APIS}`] : []),
    "img-src 'self' data:",
    "style-src 'self' 'unsafe-inline'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
  ].join('; ');
}

function clientErrorWords(error: FastifyError): string {
  if (error.statusCode === 413) return `the body is too large: at most ${BODY_LIMIT} bytes are allowed`;
  if (error.code === 'FST_ERR_CTP_INVALID_JSON_BODY') return 'the body is not valid JSON';
  if (error.code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return 'the body is empty: a JSON object is wanted';
  if (error.code === 'FST_ERR_BAD_URL') return 'the address is not a valid URL';
  return error.message;
}
