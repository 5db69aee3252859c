/** Shapes of the push notification API's requests (push-api). Only JSON types; values are checked by the methods. */
import { Type } from 'typebox';

export const Text = Type.Optional(Type.String());
export const Texts = Type.Optional(Type.Array(Type.String()));
export const Flag = Type.Optional(Type.Boolean());
export const Whole = Type.Optional(Type.Integer());
export const Unsigned = Type.Optional(Type.Integer({ minimum: 0 }));
export const TextMap = Type.Optional(Type.Record(Type.String(), Type.String()));
const Block = Type.Optional(Type.Record(Type.String(), Type.Unknown()));

export const DeviceFilterSchema = Type.Object({
  ids: Texts,
  users: Texts,
  topics: Texts,
  providers: Texts,
  platforms: Texts,
  apps: Texts,
  exclude: Type.Optional(Type.Object({ ids: Texts, users: Texts })),
});

export const DeviceRegisterSchema = Type.Object({
  id: Text,
  provider: Text,
  app: Text,
  token: Text,
  platform: Text,
  user: Text,
  timezone: Text,
  locale: Text,
  topics: Texts,
  meta: TextMap,
});

export const DeviceUpdateSchema = Type.Object({
  ids: Texts,
  users: Texts,
  user_update: Type.Optional(Type.Object({ user: Text })),
  meta_update: Type.Optional(Type.Object({ meta: TextMap })),
  topics_update: Type.Optional(Type.Object({ op: Text, topics: Texts })),
  timezone_update: Type.Optional(Type.Object({ timezone: Text })),
  locale_update: Type.Optional(Type.Object({ locale: Text })),
});

export const DeviceListSchema = Type.Object({
  filter: Type.Optional(DeviceFilterSchema),
  cursor: Text,
  limit: Whole,
  include_total_count: Flag,
  include_topics: Flag,
  include_meta: Flag,
  include_webpush_keys: Flag,
});

export const LimitStrategySchema = Type.Object({
  rate_limit: Type.Optional(
    Type.Object({
      key: Text,
      policies: Type.Optional(Type.Array(Type.Object({ rate: Whole, interval_ms: Whole }))),
      drop_if_rate_limited: Flag,
    }),
  ),
  time_limit: Type.Optional(
    Type.Object({ send_after_time: Text, send_before_time: Text, no_tz_send_now: Flag }),
  ),
});

export const DeviceTopicListSchema = Type.Object({
  filter: Type.Optional(
    Type.Object({
      device_ids: Texts,
      device_providers: Texts,
      device_platforms: Texts,
      device_users: Texts,
      topics: Texts,
      topic_prefix: Text,
    }),
  ),
  cursor: Text,
  limit: Whole,
  include_device: Flag,
  include_total_count: Flag,
});

export const SendSchema = Type.Object({
  uid: Text,
  send_at: Whole,
  optimize_for_reliability: Flag,
  analytics_uid: Text,
  app: Text,
  use_templating: Flag,
  use_meta: Flag,
  limit_strategy: Type.Optional(LimitStrategySchema),
  localizations: Type.Optional(Type.Record(Type.String(), Type.Object({ translations: TextMap }))),
  recipient: Type.Optional(
    Type.Object({
      filter: Type.Optional(DeviceFilterSchema),
      webpush_tokens: Texts,
      fcm_tokens: Texts,
      hms_tokens: Texts,
      apns_tokens: Texts,
      fcm_topic: Text,
      fcm_condition: Text,
      hms_topic: Text,
      hms_condition: Text,
    }),
  ),
  notification: Type.Optional(
    Type.Object({ webpush: Block, fcm: Block, hms: Block, apns: Block, expire_at: Whole }),
  ),
});
