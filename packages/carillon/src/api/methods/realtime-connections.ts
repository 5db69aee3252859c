import { Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import { disconnect } from '../../realtime/codes.ts';
import type { Realtime } from '../../realtime/realtime.ts';
import { defineMethod, type Method } from '../method.ts';
import { Any, base64Of, OverrideSchema, overrideOf, payloadOf } from './payloads.ts';
import { Flag, Text, Texts, Unsigned, Whole } from './push-schemas.ts';
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
        info: Any,
        b64info: Text,
        data: Any,
        b64data: Text,
        recover_since: Type.Optional(Type.Object({ offset: Unsigned, epoch: Text })),
        expire_at: Whole,
        override: OverrideSchema,
      }),
      async handle(request) {
        findChannel(realtime, request.channel);
        const { info, b64info, data, b64data, override, ...rest } = request;
        await nodes.ask('subscribe', {
          ...rest,
          b64info: base64Of(payloadOf(info, b64info, 'info')),
          b64data: base64Of(payloadOf(data, b64data, 'data')),
          override: overrideOf(override),
        });
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
      request: Type.Object({ ...WHO, expired: Flag, expire_at: Whole, info: Any }),
      async handle(request) {
        const { info, ...rest } = request;
        await nodes.ask('refresh', { ...rest, b64info: base64Of(payloadOf(info, undefined, 'info')) });
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
