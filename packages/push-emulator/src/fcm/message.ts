import { parseCondition } from './condition.ts';
import type { Violation } from './errors.ts';
import type { Shape } from './proto-json.ts';

/** What the rules below look at; everything else is passed through. Names in snake_case. */
export interface FcmMessage {
  readonly token?: string;
  readonly fid?: string;
  readonly topic?: string;
  readonly condition?: string;
  readonly notification?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly fcm_options?: { readonly analytics_label?: string };
  readonly android?: {
    readonly priority?: string;
    readonly ttl?: string;
    readonly data?: Readonly<Record<string, string>>;
    readonly notification?: Readonly<Record<string, unknown>>;
    readonly fcm_options?: { readonly analytics_label?: string };
  };
  readonly apns?: {
    readonly payload?: Readonly<Record<string, unknown>>;
    readonly headers?: Readonly<Record<string, string>>;
    readonly fcm_options?: { readonly analytics_label?: string };
  };
  readonly webpush?: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly data?: Readonly<Record<string, string>>;
    readonly notification?: Readonly<Record<string, unknown>>;
    readonly fcm_options?: { readonly link?: string; readonly analytics_label?: string };
  };
}

const MAX_TTL_SECONDS = 2_419_200;
const MAX_BYTES = 4096;
const MAX_TOPIC_BYTES = 2048;
const LABEL = { analytics_label: 'string' } as const;

const ANDROID_NOTIFICATION: Shape = {
  type: 'AndroidNotification',
  fields: {
    title: 'string',
    body: 'string',
    icon: 'string',
    color: 'string',
    sound: 'string',
    tag: 'string',
    click_action: 'string',
    body_loc_key: 'string',
    body_loc_args: { repeated: 'string' },
    title_loc_key: 'string',
    title_loc_args: { repeated: 'string' },
    channel_id: 'string',
    ticker: 'string',
    sticky: 'bool',
    event_time: 'timestamp',
    local_only: 'bool',
    notification_priority: enumeration('NotificationPriority', 'PRIORITY_', [
      'UNSPECIFIED',
      'MIN',
      'LOW',
      'DEFAULT',
      'HIGH',
      'MAX',
    ]),
    default_sound: 'bool',
    default_vibrate_timings: 'bool',
    default_light_settings: 'bool',
    vibrate_timings: { repeated: 'duration' },
    visibility: enumeration('Visibility', '', ['VISIBILITY_UNSPECIFIED', 'PRIVATE', 'PUBLIC', 'SECRET']),
    notification_count: 'int32',
    light_settings: {
      type: 'LightSettings',
      fields: {
        color: { type: 'Color', fields: { red: 'float', green: 'float', blue: 'float', alpha: 'float' } },
        light_on_duration: 'duration',
        light_off_duration: 'duration',
      },
    },
    image: 'string',
    bypass_proxy_notification: 'bool',
    proxy: enumeration('Proxy', '', ['PROXY_UNSPECIFIED', 'ALLOW', 'DENY', 'IF_PRIORITY_LOWERED']),
  },
};

/** The body of a send (vendors.md 1.2 and 1.3). */
export const SEND_REQUEST: Shape = {
  type: 'SendMessageRequest',
  fields: {
    validate_only: 'bool',
    message: {
      type: 'Message',
      fields: {
        name: 'string',
        token: 'string',
        fid: 'string',
        topic: 'string',
        condition: 'string',
        data: 'map',
        notification: { type: 'Notification', fields: { title: 'string', body: 'string', image: 'string' } },
        fcm_options: { type: 'FcmOptions', fields: LABEL },
        android: {
          type: 'AndroidConfig',
          fields: {
            collapse_key: 'string',
            priority: enumeration('AndroidMessagePriority', '', ['NORMAL', 'HIGH']),
            ttl: 'duration',
            restricted_package_name: 'string',
            data: 'map',
            notification: ANDROID_NOTIFICATION,
            fcm_options: { type: 'AndroidFcmOptions', fields: LABEL },
            direct_boot_ok: 'bool',
            bandwidth_constrained_ok: 'bool',
            restricted_satellite_ok: 'bool',
          },
        },
        apns: {
          type: 'ApnsConfig',
          fields: {
            headers: 'map',
            payload: 'struct',
            live_activity_token: 'string',
            fcm_options: { type: 'ApnsFcmOptions', fields: { ...LABEL, image: 'string' } },
          },
        },
        webpush: {
          type: 'WebpushConfig',
          fields: {
            headers: 'map',
            data: 'map',
            notification: 'struct',
            fcm_options: { type: 'WebpushFcmOptions', fields: { ...LABEL, link: 'string' } },
          },
        },
      },
    },
  },
};

/** Which of `token`, `fid`, `topic`, `condition` it is for. */
export function targetsOf(message: FcmMessage): ('token' | 'fid' | 'topic' | 'condition')[] {
  return (['token', 'fid', 'topic', 'condition'] as const).filter((name) => message[name] !== undefined);
}

/** The first value that FCM does not allow; what a token is good for is not looked at here. */
export function violation(message: FcmMessage): Violation | undefined {
  const { topic, condition, android, webpush, apns } = message;
  if (topic !== undefined && !/^[a-zA-Z0-9-_.~%]+$/.test(topic)) {
    return { field: 'message.topic', description: 'Malformed topic name' };
  }
  if (condition !== undefined && !parseCondition(condition)) {
    return { field: 'message.condition', description: 'Invalid condition expression provided.' };
  }
  for (const [path, data] of [
    ['message.data', message.data],
    ['message.android.data', android?.data],
    ['message.webpush.data', webpush?.data],
  ] as const) {
    const reserved = Object.keys(data ?? {}).find(isReserved);
    if (reserved !== undefined) return { field: path, description: `Invalid data payload key: ${reserved}` };
  }
  if (android?.ttl !== undefined && !(seconds(android.ttl) >= 0 && seconds(android.ttl) <= MAX_TTL_SECONDS)) {
    return {
      field: 'message.android.ttl',
      description: 'Invalid TTL: it must be in the range [0, 2419200] seconds.',
    };
  }
  const link = webpush?.fcm_options?.link;
  if (link !== undefined && URL.parse(link)?.protocol !== 'https:') {
    return {
      field: 'message.webpush.fcm_options.link',
      description: 'Invalid link: an HTTPS URL is expected.',
    };
  }
  for (const [path, options] of [
    ['message', message.fcm_options],
    ['message.android', android?.fcm_options],
    ['message.apns', apns?.fcm_options],
    ['message.webpush', webpush?.fcm_options],
  ] as const) {
    const label = options?.analytics_label;
    if (label !== undefined && !/^[a-zA-Z0-9-_.~%]{1,50}$/.test(label)) {
      return { field: `${path}.fcm_options.analytics_label`, description: 'Invalid analytics label' };
    }
  }
  return undefined;
}

/** Whether it is over 4096 bytes of keys and values, or 2048 to topics, on any platform. */
export function isTooLarge(message: FcmMessage): boolean {
  const limit = message.topic === undefined && message.condition === undefined ? MAX_BYTES : MAX_TOPIC_BYTES;
  const { android, webpush, apns } = message;
  const common = size(message.notification);
  return [
    common + size(message.data),
    size({ ...message.notification, ...android?.notification }) + size(android?.data ?? message.data),
    size({ ...message.notification, ...webpush?.notification }) + size(webpush?.data ?? message.data),
    common + size(message.data) + (apns?.payload ? Buffer.byteLength(JSON.stringify(apns.payload)) : 0),
  ].some((bytes) => bytes > limit);
}

/** Bytes of keys and values, all the way down. */
function size(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== 'object') return Buffer.byteLength(String(value));
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + size(item), 0);
  return Object.entries(value).reduce((sum, [key, item]) => sum + Buffer.byteLength(key) + size(item), 0);
}

function isReserved(key: string): boolean {
  return (
    key === 'from' ||
    key === 'message_type' ||
    key.startsWith('google.') ||
    key.startsWith('gcm.notification.')
  );
}

/** `"3.5s"` → 3.5. */
function seconds(duration: string): number {
  return Number(duration.slice(0, -1));
}

function enumeration(name: string, prefix: string, words: readonly string[]): Shape {
  return { enumeration: name, values: words.map((word) => prefix + word) };
}
