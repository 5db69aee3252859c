import { Type } from 'typebox';
import { ApiError, badRequest } from '../../errors.ts';
import { EpochMismatchError } from '../../realtime/broker.ts';
import { channelMatcher } from '../../realtime/channel-matcher.ts';
import { type Channel, hasHistory } from '../../realtime/channels.ts';
import { publicationBody } from '../../realtime/publication.ts';
import type { Realtime } from '../../realtime/realtime.ts';
import { defineMethod, type Method } from '../method.ts';
import { Flag, Text, Unsigned, Whole } from './push-schemas.ts';
import { findChannel } from './realtime-publish.ts';

const ChannelRequest = Type.Object({ channel: Text });

/** `history`, `history_remove`, `presence`, `presence_stats`, `channels`, `info`, `rpc`. */
export function historyMethods(realtime: Realtime): Method[] {
  const { broker, channels, presence, nodes, counters } = realtime;
  return [
    defineMethod({
      name: 'history',
      mutating: false,
      request: Type.Object({
        channel: Text,
        limit: Whole,
        since: Type.Optional(Type.Object({ offset: Unsigned, epoch: Text })),
        reverse: Flag,
      }),
      async handle(request) {
        const channel = withHistory(findChannel(realtime, request.channel));
        const { since, reverse = false, limit = 0 } = request;
        if (reverse && since && !since.offset)
          throw badRequest('since.offset', 'must be above 0 with reverse');
        const position = since && { offset: since.offset ?? 0, epoch: since.epoch ?? '' };
        counters.action('history');
        try {
          const found = await broker.history(
            channel.name,
            { since: position, limit, reverse },
            channels.history(channel),
          );
          const publications = found.publications.map((publication) => publicationBody(publication));
          return { publications, epoch: found.epoch, offset: found.offset };
        } catch (error) {
          if (error instanceof EpochMismatchError) throw new ApiError('unrecoverablePosition');
          throw error;
        }
      },
    }),
    defineMethod({
      name: 'history_remove',
      mutating: true,
      request: ChannelRequest,
      async handle(request) {
        await broker.removeHistory(withHistory(findChannel(realtime, request.channel)).name);
        return {};
      },
    }),
    defineMethod({
      name: 'presence',
      mutating: false,
      request: ChannelRequest,
      async handle(request) {
        const { name } = withPresence(findChannel(realtime, request.channel));
        return { presence: await presence.of(name) };
      },
    }),
    defineMethod({
      name: 'presence_stats',
      mutating: false,
      request: ChannelRequest,
      async handle(request) {
        return presence.stats(withPresence(findChannel(realtime, request.channel)).name);
      },
    }),
    defineMethod({
      name: 'channels',
      mutating: false,
      request: Type.Object({ pattern: Text }),
      async handle({ pattern }) {
        // What is wrong with the pattern is said before others are asked.
        channelMatcher(pattern);
        counters.action('survey');
        const clients = new Map<string, number>();
        for (const ofNode of (await nodes.ask('channels', { pattern })) as [string, number][][]) {
          for (const [name, count] of ofNode) clients.set(name, (clients.get(name) ?? 0) + count);
        }
        const shown = [...clients].map(([name, count]) => [name, { num_clients: count }]);
        return { channels: Object.fromEntries(shown) };
      },
    }),
    defineMethod({
      name: 'info',
      mutating: false,
      request: Type.Object({}),
      async handle() {
        return { nodes: nodes.list() };
      },
    }),
    defineMethod({
      name: 'rpc',
      mutating: false,
      request: Type.Object({ method: Text, params: Type.Optional(Type.Unknown()) }),
      async handle({ method }) {
        if (!method) throw badRequest('method', 'is required');
        throw new ApiError('notFound', `no RPC method ${JSON.stringify(method.slice(0, 64))} is registered`);
      },
    }),
  ];
}

function withHistory(channel: Channel): Channel {
  if (!hasHistory(channel))
    throw new ApiError('notAvailable', 'the namespace keeps no history: history_size and history_ttl');
  return channel;
}

function withPresence(channel: Channel): Channel {
  if (!channel.options.presence)
    throw new ApiError('notAvailable', 'the namespace has no presence: presence');
  return channel;
}
