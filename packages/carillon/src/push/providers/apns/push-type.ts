type JsonObject = Readonly<Record<string, unknown>>;

/** What follows the bundle id in `apns-topic`, by `apns-push-type` (`vendors` 2.2). */
const TOPIC_SUFFIXES = {
  alert: '',
  background: '',
  voip: '.voip',
  complication: '.complication',
  fileprovider: '.pushkit.fileprovider',
  location: '.location-query',
  liveactivity: '.push-type.liveactivity',
  widgets: '.push-type.widgets',
  controls: '.push-type.controls',
  pushtotalk: '.voip-ptt',
  /** Its topic is the UID of the certificate, so it is always given. */
  mdm: '',
} as const;

export type PushType = keyof typeof TOPIC_SUFFIXES;
export const PUSH_TYPES = Object.keys(TOPIC_SUFFIXES) as readonly PushType[];

const LIVE_ACTIVITY_EVENTS: readonly unknown[] = ['start', 'update', 'end'];

/**
 * The push type of a message that names none: that of its topic's suffix, else by its payload. What shows, sounds or
 * counts is an `alert`; what only wakes the app is `background`.
 */
export function derivePushType(payload: JsonObject, topic: string | undefined): PushType {
  const bySuffix = PUSH_TYPES.find((type) => TOPIC_SUFFIXES[type] && topic?.endsWith(TOPIC_SUFFIXES[type]));
  if (bySuffix) return bySuffix;
  if ('mdm' in payload) return 'mdm';
  const aps = (typeof payload.aps === 'object' && payload.aps !== null ? payload.aps : {}) as JsonObject;
  if ('content-state' in aps && LIVE_ACTIVITY_EVENTS.includes(aps.event)) return 'liveactivity';
  if ('alert' in aps || 'badge' in aps || 'sound' in aps) return 'alert';
  return aps['content-available'] === 1 ? 'background' : 'alert';
}

/** The topic of a push type; undefined where it has to be given. */
export function topicOf(bundleId: string, type: PushType): string | undefined {
  return type === 'mdm' ? undefined : bundleId + TOPIC_SUFFIXES[type];
}
