import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { SessionUser } from '../accounts/sessions.ts';
import { sessionOrAddress } from '../http/limits.ts';
import { numberedPage, PAGE_SIZE, pageNumber, pathId, queryNumber } from '../http/page.ts';
import { AlreadyMemberError } from '../rooms/rooms.ts';
import type { Services } from '../services.ts';
import { bodyOf } from './account.ts';

type RoomRequest = { Params: { id: string } };

/** Rooms, discovery, membership and messages. */
export function roomRoutes(app: FastifyInstance, { guard, rooms, messages, limits }: Services): void {
  app.get('/api/rooms/', async (request) => {
    const user = await reader(request);
    const query = request.query as Record<string, unknown>;
    const page = pageNumber(query);
    const { count, rooms: results } = await rooms.list(user.id, PAGE_SIZE, (page - 1) * PAGE_SIZE);
    return numberedPage('/api/rooms/', {}, page, count, results);
  });

  app.post('/api/rooms/', async (request, reply) => {
    const user = await writer(request);
    reply.code(201);
    return rooms.create(user, bodyOf(request).name);
  });

  app.get<RoomRequest>('/api/rooms/:id/', async (request) => {
    const user = await reader(request);
    return rooms.get(pathId(request.params.id), user.id);
  });

  app.get('/api/search/', async (request) => {
    const user = await reader(request);
    const query = request.query as Record<string, unknown>;
    const page = pageNumber(query);
    const text = typeof query.q === 'string' ? query.q.replaceAll('\0', '').slice(0, 100) : '';
    const { count, rooms: results } = await rooms.search(user.id, text, PAGE_SIZE, (page - 1) * PAGE_SIZE);
    return numberedPage('/api/search/', text ? { q: text } : {}, page, count, results);
  });

  app.post<RoomRequest>('/api/rooms/:id/join/', async (request, reply) => {
    const user = await writer(request);
    try {
      return await rooms.join(pathId(request.params.id), user);
    } catch (error) {
      if (!(error instanceof AlreadyMemberError)) throw error;
      return reply.code(409).send({ message: 'already a member' });
    }
  });

  app.post<RoomRequest>('/api/rooms/:id/leave/', async (request) => {
    const user = await writer(request);
    return rooms.leave(pathId(request.params.id), user);
  });

  app.get<RoomRequest>('/api/rooms/:id/messages/', async (request) => {
    const user = await reader(request);
    const id = pathId(request.params.id);
    const query = request.query as Record<string, unknown>;
    const limit = queryNumber(query, 'limit', PAGE_SIZE, 1, PAGE_SIZE);
    const before = queryNumber(query, 'before', 0, 0, Number.MAX_SAFE_INTEGER);
    const page = await messages.page(id, user.id, before, limit);
    const oldest = page.messages.at(-1)?.id;
    const next = page.more ? `/api/rooms/${id}/messages/?before=${oldest}&limit=${limit}` : null;
    return { count: page.count, next, previous: null, results: page.messages };
  });

  app.post<RoomRequest>(
    '/api/rooms/:id/messages/',
    {
      config: {
        rateLimit: { max: limits.messagesPerMinute, timeWindow: 60_000, keyGenerator: sessionOrAddress },
      },
    },
    async (request, reply) => {
      const user = await writer(request);
      const { message, isNew } = await messages.post(pathId(request.params.id), user, bodyOf(request));
      reply.code(isNew ? 201 : 200);
      return message;
    },
  );

  app.post<RoomRequest>('/api/rooms/:id/read/', async (request) => {
    const user = await writer(request);
    return messages.markRead(pathId(request.params.id), user, bodyOf(request).message_id);
  });

  async function reader(request: FastifyRequest): Promise<SessionUser> {
    return (await guard.requireSession(request)).user;
  }

  async function writer(request: FastifyRequest): Promise<SessionUser> {
    const { user } = await guard.requireSession(request);
    guard.requireCsrf(request);
    return user;
  }
}
