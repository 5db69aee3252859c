import { Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import { disconnect } from '../../realtime/codes.ts';
import type { Realtime } from '../../realtime/realtime.ts';
import { defineMethod, type Method } from '../method.ts';
import { Flag, Text, Texts, Whole } from './push-schemas.ts';
import { findChannel } from './realtime-publish.ts';

const WHO = { user: Text, client: Text, session: Text };

/** `subscribe`, `unsubscribe`, `disconnect`, `refresh`: what a backend does to live connections, on whichever node they are. */
export function connectionMethods(realtime: Realtime): Method[] {
  const { nodes } = realtime;
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
        findChannel(realtime, request.channel);
        await nodes.ask('subscribe', request);
        return {};
      },
    }),
    defineMethod({
      name: 'unsubscribe',
      mutating: true,
      request: Type.Object({ ...WHO, channel: Text }),
      async handle(request) {
        findChannel(realtime, request.channel);
        await nodes.ask('unsubscribe', request);
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
        const { disconnect: why, ...who } = request;
        await nodes.ask('disconnect', { ...who, ...closeReason(why) });
        return {};
      },
    }),
    defineMethod({
      name: 'refresh',
      mutating: true,
      request: Type.Object({ ...WHO, expired: Flag, expire_at: Whole, info: Type.Optional(Type.Unknown()) }),
      async handle(request) {
        await nodes.ask('refresh', request);
        return {};
      },
    }),
  ];
}

function closeReason(given: { code?: number; reason?: string } | undefined): {
  code: number;
  reason: string;
} {
  if (!given?.code) {
    const { code, message } = disconnect('forceDisconnect');
    return { code, reason: message };
  }
  const { code, reason = '' } = given;
  if (code < 3000 || code > 4999)
    throw badRequest('disconnect.code', `must be from 3000 to 4999, got ${code}`);
  if (Buffer.byteLength(reason) > 123) throw badRequest('disconnect.reason', 'must be at most 123 bytes');
  return { code, reason };
}
