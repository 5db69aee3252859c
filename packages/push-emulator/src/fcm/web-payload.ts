import { randomUUID } from 'node:crypto';
import type { Urgency } from '../webpush/headers.ts';
import type { FcmMessage } from './message.ts';

/** What the browser is to get of a message: the JSON that is encrypted, and the headers of its web push. */
export interface WebPush {
  readonly id: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly headers: { readonly ttl: number; readonly urgency: Urgency; readonly topic?: string };
}

const FOUR_WEEKS_SECONDS = 2_419_200;
const URGENCIES: readonly string[] = ['very-low', 'low', 'normal', 'high'];
/** What is left of 4096 bytes once encrypted (vendors.md 4.2). */
const MAX_PLAINTEXT_BYTES = 3993;

/**
 * A message for a Firebase web token as FCM puts it to the Firebase web SDK (vendors.md 1.7): `notification` and
 * `webpush.notification` merged, `data` overridden by `webpush.data`, the link in `fcmOptions`.
 * @param from the sender ID, or `/topics/x`
 */
export function webPushOf(message: FcmMessage, from: string): WebPush {
  const { notification, data, webpush, fcm_options: options } = message;
  const id = randomUUID();
  const link = webpush?.fcm_options?.link;
  const label = webpush?.fcm_options?.analytics_label ?? options?.analytics_label;
  const headers = new Headers(webpush?.headers);
  const isHigh = headers.get('urgency') === 'high' || message.android?.priority === 'HIGH';
  const merged = { ...notification, ...webpush?.notification };
  const mergedData = webpush?.data ?? data;
  const ttl = Number(headers.get('ttl') ?? FOUR_WEEKS_SECONDS);
  const urgency = headers.get('urgency') ?? '';
  const topic = headers.get('topic');
  return {
    id,
    payload: {
      from,
      fcmMessageId: id,
      priority: isHigh ? 'high' : 'normal',
      ...(Object.keys(merged).length > 0 && { notification: merged }),
      ...(mergedData && { data: mergedData }),
      ...((link !== undefined || label !== undefined) && {
        fcmOptions: {
          ...(link !== undefined && { link }),
          ...(label !== undefined && { analytics_label: label }),
        },
      }),
    },
    headers: {
      ttl: Number.isInteger(ttl) && ttl >= 0 ? Math.min(ttl, FOUR_WEEKS_SECONDS) : FOUR_WEEKS_SECONDS,
      urgency: URGENCIES.includes(urgency) ? (urgency as Urgency) : 'normal',
      ...(topic !== null && { topic }),
    },
  };
}

/** Whether it can be encrypted into one web push. */
export function fitsWebPush({ payload }: WebPush): boolean {
  return Buffer.byteLength(JSON.stringify(payload)) <= MAX_PLAINTEXT_BYTES;
}
