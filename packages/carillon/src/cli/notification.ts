import type { ProviderName } from '../push/providers/provider.ts';

/** What a notification says, whatever carries it. */
export interface NotificationText {
  readonly title: string;
  readonly body?: string;
  /** What a click opens. */
  readonly url?: string;
}

/**
 * The `notification` of `send_push_notification` that says the same by each provider.
 *
 * - `webpush`: a declarative push message (W3C Push API), which some browsers show by themselves
 * - `fcm`: shown by the system; the URL is in `data`, and a link in browsers, where FCM takes https only
 * - `apns`: an alert; the URL is beside `aps`
 * - `hms`: shown by the system; a click opens the URL, else the app
 */
export function notificationFor(
  providers: readonly ProviderName[],
  text: NotificationText,
): Partial<Record<ProviderName, object>> {
  return Object.fromEntries(providers.map((provider) => [provider, BLOCKS[provider](text)]));
}

const BLOCKS: Readonly<Record<ProviderName, (text: NotificationText) => object>> = {
  webpush: ({ title, body, url }) => ({
    payload: { web_push: 8030, notification: { title, body, navigate: url } },
  }),
  fcm: ({ title, body, url }) => ({
    message: {
      notification: { title, body },
      ...(url && { data: { url } }),
      ...(url?.startsWith('https://') && { webpush: { fcm_options: { link: url } } }),
    },
  }),
  apns: ({ title, body, url }) => ({ payload: { aps: { alert: { title, body }, sound: 'default' }, url } }),
  hms: ({ title, body, url }) => ({
    message: {
      android: { notification: { title, body, click_action: url ? { type: 2, url } : { type: 3 } } },
    },
  }),
};
