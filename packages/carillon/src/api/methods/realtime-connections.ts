import { Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import { Disconnect, disconnect, UNSUBSCRIBE } from '../../realtime/codes.ts';
import { RawJson } from '../../realtime/payload.ts';
import type { Realtime } from '../../realtime/realtime.ts';
import type { Session } from '../../realtime/session.ts';
import { defineMethod, type Method } from '../method.ts';
import { Flag, Text, Texts, Whole } from './push-schemas.ts';
import { findChannel } from './realtime-publish.ts';

const WHO = { user: Text, client: Text, session: Text };

/** `subscribe`, `unsubscribe`, `disconnect`, `refresh`: what a backend does to live connections. */
export function connectionMethods(realtime: Realtime): Method[] {
  const { subscriber } = realtime;
  return [
    defineMethod({
      name: 'subscribe',
      mutating: true,
      request: Type.Object({
        ...WHO,
        channel: Text,
        info: Type.Optional(Type.Unknown()),
        data: Type.Optional(Type.Unknown()),
        recover_since: Type.Optional(Type.Object({ offset: Whole, epoch: Text })),
        expire_at: Whole,
      }),
      async handle(request) {
        const channel = findChannel(realtime, request.channel);
        const claims = { info: raw(request.info), data: raw(request.data), expireAt: request.expire_at ?? 0 };
        for (const session of sessionsOf(realtime, request))
          await subscriber.subscribeLive(session, channel, claims, request.recover_since);
        return {};
      },
    }),
    defineMethod({
      name: 'unsubscribe',
      mutating: true,
      request: Type.Object({ ...WHO, channel: Text }),
      async handle(request) {
        const { name } = findChannel(realtime, request.channel);
        for (const session of sessionsOf(realtime, request)) {
          const subscription = session.subscriptions.get(name);
          if (subscription) subscriber.unsubscribe(subscription, UNSUBSCRIBE.server);
          else session.send({ push: { channel: name, unsubscribe: UNSUBSCRIBE.server } });
        }
        return {};
      },
    }),
    defineMethod({
      name: 'disconnect',
      mutating: true,
      request: Type.Object({
        ...WHO,
        whitelist: Texts,
        disconnect: Type.Optional(Type.Object({ code: Whole, reason: Text })),
      }),
      async handle(request) {
        const why = closeReason(request.disconnect);
        const spared = new Set(request.whitelist);
        for (const session of sessionsOf(realtime, request))
          if (!spared.has(session.id)) session.disconnect(why);
        return {};
      },
    }),
    defineMethod({
      name: 'refresh',
      mutating: true,
      request: Type.Object({ ...WHO, expired: Flag, expire_at: Whole, info: Type.Optional(Type.Unknown()) }),
      async handle(request) {
        const { expired = false, expire_at: expireAt = 0 } = request;
        const now = Date.now() / 1000;
        for (const session of sessionsOf(realtime, request)) {
          if (expired || (expireAt > 0 && expireAt <= now)) {
            session.disconnect(disconnect('connectionExpired'));
            continue;
          }
          session.expireAt = expireAt;
          if (request.info !== undefined) session.info = raw(request.info);
          const ttl = Math.ceil(expireAt - now);
          session.send({ push: { refresh: expireAt > 0 ? { expires: true, ttl } : {} } });
        }
        return {};
      },
    }),
  ];
}

function sessionsOf(
  realtime: Realtime,
  { user, client, session }: { user?: string; client?: string; session?: string },
): Session[] {
  return realtime.hub
    .sessionsOf(user ?? '')
    .filter(({ id, key }) => (!client || id === client) && (!session || key === session || id === session));
}

function closeReason(given: { code?: number; reason?: string } | undefined): Disconnect {
  if (!given?.code) return disconnect('forceDisconnect');
  const { code, reason = '' } = given;
  if (code < 3000 || code > 4999)
    throw badRequest('disconnect.code', `must be from 3000 to 4999, got ${code}`);
  if (Buffer.byteLength(reason) > 123) throw badRequest('disconnect.reason', 'must be at most 123 bytes');
  return new Disconnect(code, reason);
}

function raw(value: unknown): RawJson | undefined {
  return value === undefined ? undefined : RawJson.of(value);
}
