import { type Static, Type } from 'typebox';
import { ApiError, badRequest } from '../../errors.ts';
import type { Channel } from '../../realtime/channels.ts';
import { type Payload, payloadOfBytes, RawJson } from '../../realtime/payload.ts';
import type { StreamPosition } from '../../realtime/publication.ts';
import type { Realtime } from '../../realtime/realtime.ts';
import { defineMethod, type Method } from '../method.ts';
import { withoutZeros } from './checks.ts';
import { Flag, Text, TextMap, Texts, Unsigned } from './push-schemas.ts';

/** A broadcast gives way to others this often: to 100 000 channels it takes long, and their messages must not wait. */
const SLICE_MS = 5;

const COMMON = {
  data: Type.Optional(Type.Unknown()),
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
  return [
    defineMethod({
      name: 'publish',
      mutating: true,
      request: PublishSchema,
      async handle(request) {
        const channel = findChannel(realtime, request.channel);
        return showPosition(await publishTo(realtime, channel, request, dataOf(request)));
      },
    }),
    defineMethod({
      name: 'broadcast',
      mutating: true,
      request: BroadcastSchema,
      async handle(request) {
        const names = request.channels ?? [];
        if (names.length === 0) throw badRequest('channels', 'must have at least one channel');
        const data = dataOf(request);
        const responses: object[] = [];
        let sliceEnd = performance.now() + SLICE_MS;
        for (const name of names) {
          if (performance.now() > sliceEnd) {
            await new Promise((resolve) => setImmediate(resolve));
            sliceEnd = performance.now() + SLICE_MS;
          }
          responses.push(await broadcastTo(realtime, name, request, data));
        }
        return { responses };
      },
    }),
  ];
}

/** @throws ApiError 107 for an empty name, 102 for an unknown namespace */
export function findChannel(realtime: Realtime, name: string | undefined): Channel {
  if (!name) throw badRequest('channel', 'is required');
  const channel = realtime.channels.find(name);
  if (!channel)
    throw new ApiError(
      'unknownChannel',
      `no namespace for ${JSON.stringify(name.slice(0, 255))} is configured`,
    );
  return channel;
}

async function broadcastTo(
  realtime: Realtime,
  name: string,
  request: Common,
  data: Payload | undefined,
): Promise<object> {
  try {
    return { result: showPosition(await publishTo(realtime, findChannel(realtime, name), request, data)) };
  } catch (error) {
    const { code, message } = error instanceof ApiError ? error : new ApiError('internal');
    return { error: { code, message } };
  }
}

async function publishTo(
  realtime: Realtime,
  channel: Channel,
  request: Common,
  data: Payload | undefined,
): Promise<StreamPosition | undefined> {
  const problem = realtime.channels.dataProblem(channel, data);
  if (problem) throw badRequest('data', problem);
  return realtime.publisher.publish(
    channel,
    { data: data ?? new RawJson('null'), tags: request.tags, delta: request.delta },
    {
      skipHistory: request.skip_history ?? false,
      idempotencyKey: request.idempotency_key ?? '',
      version: request.version ?? 0,
      versionEpoch: request.version_epoch ?? '',
    },
  );
}

/** `b64data` wins over `data`. */
function dataOf({ data, b64data }: Common): Payload | undefined {
  if (!b64data) return data === undefined ? undefined : RawJson.of(data);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(b64data) || b64data.length % 4 !== 0) {
    throw badRequest('b64data', 'must be standard padded base64');
  }
  return payloadOfBytes(Buffer.from(b64data, 'base64'));
}

function showPosition(position: StreamPosition | undefined): object {
  return position ? withoutZeros(position) : {};
}
