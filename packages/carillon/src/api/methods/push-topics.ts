import { Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import { TOPIC_OPS } from '../../push/devices/topic-changes.ts';
import type { Push } from '../../push/push.ts';
import { defineMethod, type Method } from '../method.ts';
import { checkChoice, checkLimit, checkText, checkTexts, requireText, withoutZeros } from './checks.ts';
import { showDevice } from './push-devices.ts';
import { withDatabase } from './push-enabled.ts';
import { DeviceTopicListSchema, Flag, Text, Texts, Whole } from './push-schemas.ts';

const MAX_TOPICS = 1_000;

/** `user_topic_update`, `user_topic_list`, `device_topic_update`, `device_topic_list` (push-api, section 4). */
export function topicMethods(push: Push | undefined): Method[] {
  return [
    defineMethod({
      name: 'user_topic_update',
      mutating: true,
      request: Type.Object({ user: Text, op: Text, topics: Texts }),
      async handle(request) {
        const { topics } = withDatabase(push);
        await topics.updateUser(
          checkText(request.user ?? '', 'user'),
          checkChoice(request.op, TOPIC_OPS, 'op'),
          checkTexts(request.topics, 'topics', MAX_TOPICS),
        );
        return {};
      },
    }),
    defineMethod({
      name: 'user_topic_list',
      mutating: false,
      request: Type.Object({
        filter: Type.Optional(Type.Object({ users: Texts, topics: Texts, topic_prefix: Text })),
        cursor: Text,
        limit: Whole,
        include_total_count: Flag,
      }),
      async handle(request) {
        const { topics } = withDatabase(push);
        const filter = request.filter ?? {};
        const { items, nextCursor, totalCount } = await topics.listUser({
          users: checkTexts(filter.users, 'filter.users'),
          topics: checkTexts(filter.topics, 'filter.topics'),
          topicPrefix: checkText(filter.topic_prefix ?? '', 'filter.topic_prefix'),
          cursor: checkNumberCursor(request.cursor),
          limit: checkLimit(request.limit, 100, 1_000),
          totalCount: request.include_total_count ?? false,
        });
        const shown = items.map((item) => withoutZeros({ ...item, id: String(item.id) }));
        return withoutZeros({ items: shown, next_cursor: nextCursor, total_count: totalCount }, ['items']);
      },
    }),
    defineMethod({
      name: 'device_topic_update',
      mutating: true,
      request: Type.Object({ device_id: Text, op: Text, topics: Texts, user: Text }),
      async handle(request) {
        const { topics } = withDatabase(push);
        await topics.updateDevice(
          requireText(request.device_id, 'device_id'),
          checkChoice(request.op, TOPIC_OPS, 'op'),
          checkTexts(request.topics, 'topics', MAX_TOPICS),
          checkText(request.user ?? '', 'user'),
        );
        return {};
      },
    }),
    defineMethod({
      name: 'device_topic_list',
      mutating: false,
      request: DeviceTopicListSchema,
      async handle(request) {
        const { topics } = withDatabase(push);
        const filter = request.filter ?? {};
        const { items, nextCursor, totalCount } = await topics.listDevice({
          devices: {
            ids: checkTexts(filter.device_ids, 'filter.device_ids'),
            providers: checkTexts(filter.device_providers, 'filter.device_providers'),
            platforms: checkTexts(filter.device_platforms, 'filter.device_platforms'),
            users: checkTexts(filter.device_users, 'filter.device_users'),
          },
          topics: checkTexts(filter.topics, 'filter.topics'),
          topicPrefix: checkText(filter.topic_prefix ?? '', 'filter.topic_prefix'),
          cursor: checkNumberCursor(request.cursor),
          limit: checkLimit(request.limit, 100, 1_000),
          totalCount: request.include_total_count ?? false,
          device: request.include_device ?? false,
        });
        const shown = items.map(({ id, device, ...item }) =>
          withoutZeros({ id: String(id), ...item, ...(device && { device: showDevice(device) }) }),
        );
        return withoutZeros({ items: shown, next_cursor: nextCursor, total_count: totalCount }, ['items']);
      },
    }),
  ];
}

/** The id of the last item of the page before; 0 for the first page. */
function checkNumberCursor(cursor: string | undefined): number {
  if (!cursor) return 0;
  if (!/^\d{1,15}$/.test(cursor)) throw badRequest('cursor', 'must be a next_cursor of this method');
  return Number(cursor);
}
