import { Type } from 'typebox';
import { badRequest } from '../../errors.ts';
import type { DeviceFilter } from '../../push/devices/device-filter.ts';
import { providerOfDeviceId } from '../../push/devices/device-id.ts';
import type { Device, DeviceSelection } from '../../push/devices/registry.ts';
import { TOPIC_OPS } from '../../push/devices/topic-changes.ts';
import type { Push } from '../../push/push.ts';
import { defineMethod, type Method } from '../method.ts';
import {
  checkChoice,
  checkLimit,
  checkLocale,
  checkMeta,
  checkText,
  checkTexts,
  checkTimezone,
  requireText,
  withoutZeros,
} from './checks.ts';
import { withDatabase } from './push-enabled.ts';
import { DeviceListSchema, DeviceRegisterSchema, DeviceUpdateSchema, Texts } from './push-schemas.ts';

const PLATFORMS = ['ios', 'android', 'web'] as const;
const MAX_TOKEN_LENGTH = 4096;
const MAX_TOPICS = 1_000;

/** `device_register`, `device_update`, `device_remove`, `device_list` (push-api, section 3). */
export function deviceMethods(push: Push | undefined): Method[] {
  return [
    defineMethod({
      name: 'device_register',
      mutating: true,
      request: DeviceRegisterSchema,
      async handle(request) {
        const { devices } = withDatabase(push);
        const id = await devices.register({
          provider: requireText(request.provider, 'provider', 16),
          app: checkText(request.app ?? '', 'app'),
          token: requireText(request.token, 'token', MAX_TOKEN_LENGTH),
          platform: checkChoice(request.platform, PLATFORMS, 'platform'),
          user: checkText(request.user ?? '', 'user'),
          timezone: checkTimezone(request.timezone, 'timezone'),
          locale: checkLocale(request.locale, 'locale'),
          topics: checkTexts(request.topics, 'topics', MAX_TOPICS),
          meta: checkMeta(request.meta, 'meta'),
          ...(request.id && { id: request.id }),
        });
        return { id };
      },
    }),
    defineMethod({
      name: 'device_update',
      mutating: true,
      request: DeviceUpdateSchema,
      async handle(request) {
        const { devices } = withDatabase(push);
        const { user_update: user, meta_update: meta, topics_update: topics } = request;
        const { timezone_update: timezone, locale_update: locale } = request;
        await devices.update(checkSelection(request), {
          ...(user && { user: checkText(user.user ?? '', 'user_update.user') }),
          ...(meta && { meta: checkMeta(meta.meta, 'meta_update.meta') }),
          ...(timezone && { timezone: checkTimezone(timezone.timezone, 'timezone_update.timezone') }),
          ...(locale && { locale: checkLocale(locale.locale, 'locale_update.locale') }),
          ...(topics && {
            topics: {
              op: checkChoice(topics.op, TOPIC_OPS, 'topics_update.op'),
              topics: checkTexts(topics.topics, 'topics_update.topics', MAX_TOPICS),
            },
          }),
        });
        return {};
      },
    }),
    defineMethod({
      name: 'device_remove',
      mutating: true,
      request: Type.Object({ ids: Texts, users: Texts }),
      async handle(request) {
        await withDatabase(push).devices.remove(checkSelection(request));
        return {};
      },
    }),
    defineMethod({
      name: 'device_list',
      mutating: false,
      request: DeviceListSchema,
      async handle(request) {
        const { devices } = withDatabase(push);
        const cursor = request.cursor ?? '';
        if (cursor && !providerOfDeviceId(cursor))
          throw badRequest('cursor', 'must be a next_cursor of this method');
        const { items, nextCursor, totalCount } = await devices.list({
          filter: checkFilter(request.filter ?? {}, 'filter'),
          cursor,
          limit: checkLimit(request.limit, 100, 1_000),
          totalCount: request.include_total_count ?? false,
          topics: request.include_topics ?? false,
          meta: request.include_meta ?? false,
          webpushKeys: request.include_webpush_keys ?? false,
        });
        const result = { items: items.map(showDevice), next_cursor: nextCursor, total_count: totalCount };
        return withoutZeros(result, ['items']);
      },
    }),
  ];
}

/** Bounds the lists of a filter. */
export function checkFilter(filter: DeviceFilter, field: string): DeviceFilter {
  const { ids, users, topics, providers, platforms, apps, exclude } = filter;
  return {
    ids: checkTexts(ids, `${field}.ids`),
    users: checkTexts(users, `${field}.users`),
    topics: checkTexts(topics, `${field}.topics`),
    providers: checkTexts(providers, `${field}.providers`),
    platforms: checkTexts(platforms, `${field}.platforms`),
    apps: checkTexts(apps, `${field}.apps`),
    exclude: {
      ids: checkTexts(exclude?.ids, `${field}.exclude.ids`),
      users: checkTexts(exclude?.users, `${field}.exclude.users`),
    },
  };
}

function checkSelection({ ids, users }: { ids?: string[]; users?: string[] }): DeviceSelection {
  const selection = { ids: checkTexts(ids, 'ids'), users: checkTexts(users, 'users') };
  if (selection.ids.length + selection.users.length === 0) {
    throw badRequest('ids, users', 'at least one of them must be given: both empty would mean every device');
  }
  return selection;
}

/** A device as the API writes it: zero values left out, keys as a JSON string of `p256dh` and `auth`. */
export function showDevice(device: Device): object {
  const { webpush_keys: keys, ...rest } = device;
  return withoutZeros({
    ...rest,
    webpush_keys: keys ? JSON.stringify({ p256dh: keys.p256dh, auth: keys.auth }) : '',
  });
}
