import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Session, SessionUser } from '../accounts/sessions.ts';
import { authenticate, createUser } from '../accounts/users.ts';
import { HttpError } from '../http/errors.ts';
import type { Services } from '../services.ts';

/** Sign-up, login, logout, settings, tokens and the session's device. */
export function accountRoutes(app: FastifyInstance, services: Services): void {
  const { guard, db, sessions, devices, settings, tokens, limits } = services;
  const minute = 60_000;
  const byAddress = (max: number) => ({
    config: { rateLimit: { max, timeWindow: minute, keyGenerator: (request: FastifyRequest) => request.ip } },
  });
  const loginLimit = app.createRateLimit({
    max: limits.loginsPerUser,
    timeWindow: 5 * minute,
    keyGenerator: (request) => `login ${usernameOf(request).toLowerCase()}`,
  });

  app.get('/api/csrf/', async (request, reply) => {
    guard.giveCsrf(request, reply);
    return {};
  });

  app.get('/api/settings/', async () => settings);

  app.post('/api/signup/', byAddress(limits.signupsPerAddress), async (request, reply) => {
    guard.requireCsrf(request);
    const { username, password } = bodyOf(request);
    const user = await createUser(db, username, password);
    reply.code(201);
    return enter(reply, user);
  });

  app.post('/api/login/', byAddress(limits.loginsPerAddress), async (request, reply) => {
    guard.requireCsrf(request);
    const { username, password } = bodyOf(request);
    if (typeof username !== 'string' || typeof password !== 'string' || !username || !password) {
      throw new HttpError(400, 'provide username and password');
    }
    const limit = await loginLimit(request);
    if (!limit.isAllowed && limit.isExceeded) {
      reply.header('Retry-After', limit.ttlInSeconds);
      throw new HttpError(429, `too many tries for this user: try again in ${limit.ttlInSeconds} s`);
    }
    const user = await authenticate(db, username, password);
    if (!user) throw new HttpError(400, 'invalid credentials');
    return enter(reply, user);
  });

  app.get('/api/me/', async (request) => {
    const { user } = await guard.requireSession(request);
    return { ...user, settings };
  });

  app.post('/api/logout/', async (request, reply) => {
    const session = await guarded(request);
    await devices.logOut(session, bodyOf(request).device_id);
    guard.signOut(reply);
    return {};
  });

  app.post('/api/device/register/', async (request) => {
    const session = await guarded(request);
    return { device_id: await devices.register(session, bodyOf(request).device) };
  });

  app.get('/api/token/connection/', async (request) => {
    const { user } = await guard.requireSession(request, 401);
    return { token: await tokens.connection(user.id) };
  });

  app.get('/api/token/subscription/', async (request) => {
    const { user } = await guard.requireSession(request, 401);
    const channel = `personal:${user.id}`;
    if ((request.query as { channel?: unknown }).channel !== channel) {
      throw new HttpError(403, `channel: only ${channel} is yours`, { field: 'channel' });
    }
    return { token: await tokens.subscription(user.id, channel) };
  });

  async function guarded(request: FastifyRequest): Promise<Session> {
    const session = await guard.requireSession(request);
    guard.requireCsrf(request);
    return session;
  }

  async function enter(reply: FastifyReply, user: SessionUser) {
    guard.signIn(reply, await sessions.start(user.id));
    return { ...user, settings };
  }
}

/** The members of a JSON object. @throws HttpError 400 for any other body */
export function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const { body } = request;
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body))
    throw new HttpError(400, 'the body must be a JSON object');
  return body as Record<string, unknown>;
}

function usernameOf(request: FastifyRequest): string {
  const { username } = bodyOf(request);
  return typeof username === 'string' ? username.slice(0, 64) : '';
}
