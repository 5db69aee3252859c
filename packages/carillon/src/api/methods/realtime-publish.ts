import { type Static, Type } from 'typebox';
import type { NamespaceOptions } from '../../config/config.ts';
import { ApiError, badRequest } from '../../errors.ts';
import type { Message } from '../../realtime/broker.ts';
import type { Channel, Channels } from '../../realtime/channels.ts';
import { NO_DATA, type Payload } from '../../realtime/payload.ts';
import type { StreamPosition } from '../../realtime/publication.ts';
import type { PublishRequest } from '../../realtime/publisher.ts';
import type { Realtime } from '../../realtime/realtime.ts';
import { defineMethod, type Method } from '../method.ts';
import { Any, payloadOf } from './payloads.ts';
import { Flag, Text, TextMap, Texts, Unsigned } from './push-schemas.ts';

const COMMON = {
  data: Any,
  b64data: Text,
  skip_history: Flag,
  tags: TextMap,
  idempotency_key: Text,
  delta: Flag,
  version: Unsigned,
  version_epoch: Text,
};
const PublishSchema = Type.Object({ channel: Text, ...COMMON });
const BroadcastSchema = Type.Object({ channels: Texts, ...COMMON });
type Common = Omit<Static<typeof PublishSchema>, 'channel'>;

/** `publish` and `broadcast`. */
export function publishMethods(realtime: Realtime): Method[] {
  const { channels, publisher } = realtime;
  return [
    defineMethod({
      name: 'publish',
      mutating: true,
      request: PublishSchema,
      async handle(request) {
        const channel = findChannel(realtime, request.channel);
        const data = payloadOf(request.data, request.b64data, 'data');
        const problem = problemWith(channels, channel, data);
        if (problem) throw problem;
        return showPosition(await publisher.publish(channel, messageOf(request, data), wishesOf(request)));
      },
    }),
    defineMethod({
      name: 'broadcast',
      mutating: true,
      request: BroadcastSchema,
      async handle(request, { wantsResult }) {
        const names = request.channels ?? [];
        if (names.length === 0) throw badRequest('channels', 'must have at least one channel');
        const data = payloadOf(request.data, request.b64data, 'data');
        const responses = wantsResult ? new Array<object>(names.length) : undefined;
        for (const { options, names: group, places } of byNamespace(channels, names)) {
          const tell =
            responses &&
            ((index: number, outcome: Outcome) => {
              responses[places[index] as number] = showOutcome(outcome);
            });
          const problem = options && problemWith(channels, { options }, data);
          if (options && !problem)
            await publisher.publishMany(group, options, messageOf(request, data), wishesOf(request), tell);
          else if (tell)
            for (const [index, name] of group.entries()) tell(index, problem ?? unknownChannel(name));
        }
        return responses ? { responses } : {};
      },
    }),
  ];
}

/** @throws ApiError 107 for an empty name, 102 for an unknown namespace */
export function findChannel(realtime: Realtime, name: string | undefined): Channel {
  const channel = name ? realtime.channels.find(name) : undefined;
  if (!channel) throw unknownChannel(name);
  return channel;
}

function unknownChannel(name: string | undefined): ApiError {
  if (!name) return badRequest('channel', 'is required');
  return new ApiError(
    'unknownChannel',
    `no namespace for ${JSON.stringify(name.slice(0, 255))} is configured`,
  );
}

interface Group {
  /** Undefined for names that are empty or of no namespace. */
  readonly options: NamespaceOptions | undefined;
  readonly names: string[];
  /** Where the names stand in the request. */
  readonly places: number[];
}

/** Takes a broadcast's channels apart by what holds for them; the order within each group stays. */
function byNamespace(channels: Channels, names: readonly string[]): Iterable<Group> {
  const groups = new Map<NamespaceOptions | undefined, Group>();
  for (const [place, name] of names.entries()) {
    const options = name === '' ? undefined : channels.options(name);
    let group = groups.get(options);
    if (!group) {
      group = { options, names: [], places: [] };
      groups.set(options, group);
    }
    group.names.push(name);
    group.places.push(place);
  }
  return groups.values();
}

function problemWith(
  channels: Channels,
  channel: Pick<Channel, 'options'>,
  data: Payload | undefined,
): ApiError | undefined {
  const problem = channels.dataProblem(channel, data);
  return problem === undefined ? undefined : badRequest('data', problem);
}

function messageOf({ tags, delta }: Common, data: Payload | undefined): Message {
  return { data: data ?? NO_DATA, tags, delta };
}

function wishesOf(request: Common): PublishRequest {
  return {
    skipHistory: request.skip_history ?? false,
    idempotencyKey: request.idempotency_key ?? '',
    version: request.version ?? 0,
    versionEpoch: request.version_epoch ?? '',
  };
}

type Outcome = StreamPosition | undefined | Error;

function showOutcome(outcome: Outcome): object {
  if (!(outcome instanceof Error)) return { result: showPosition(outcome) };
  const { code, message } = outcome instanceof ApiError ? outcome : new ApiError('internal');
  return { error: { code, message } };
}

/** What is stored has an offset above 0: there are no zeros to leave out. */
function showPosition(position: StreamPosition | undefined): object {
  return position ?? {};
}
