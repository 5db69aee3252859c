import { contentOf, type NotificationContent, objectOf, readPayload } from './payload.ts';

/**
 * Reads an FCM message as a service worker gets it (`{data, notification, fcmOptions}`), whoever made it:
 * - a Declarative Web Push payload as JSON in `data.payload`, the form that keeps everything;
 * - a `notification`, with the link of `fcmOptions.link` or `notification.click_action`;
 * - `title`, `body` and the like straight in `data`.
 * @returns undefined when there is no title in any of them
 */
export function readFirebaseMessage(message: unknown): NotificationContent | undefined {
  const parts = objectOf(message);
  const data = objectOf(parts?.data);
  const notification = objectOf(parts?.notification);
  const whole = typeof data?.payload === 'string' ? readPayload(data.payload) : undefined;
  if (whole) return whole;
  const shown = notification ?? data;
  if (!shown) return undefined;
  const navigate = linkOf(parts) ?? shown.navigate;
  return contentOf({ ...shown, navigate, data });
}

/**
 * Where a click on a notification leads that the Firebase SDK has shown by itself. It keeps the message under `FCM_MSG` in the
 * notification's `data`.
 */
export function linkOfFirebase(data: unknown): string | undefined {
  return linkOf(objectOf(objectOf(data)?.FCM_MSG));
}

function linkOf(message: Record<string, unknown> | undefined): string | undefined {
  const link = objectOf(message?.fcmOptions)?.link ?? objectOf(message?.notification)?.click_action;
  return typeof link === 'string' ? link : undefined;
}
