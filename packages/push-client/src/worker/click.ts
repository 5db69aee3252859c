import { ask } from './ask.ts';
import { linkOfFirebase } from './firebase-message.ts';
import { type NotificationData, setBadge } from './push.ts';
import { type ExtendableEvent, thisWorker, type WindowClient, type WorkerScope, windowsOf } from './scope.ts';

export interface ClickEvent extends ExtendableEvent {
  readonly notification: { readonly data: unknown; close(): void };
}

/** With the half second for the page to take the URL on, this stays within the second that browsers allow after a click. */
const IS_AT_MS = 250;

/**
 * A listener for `notificationclick`: shows the notification's page in a window of the app that is open, without
 * reloading it, or else in a new one. It does so for notifications of the Firebase SDK, too: add it before the SDK's own listener,
 * which focuses any window and leads nowhere, and stop the event there.
 */
export function handleClick(scope: WorkerScope = thisWorker()): (event: ClickEvent) => void {
  return (event) => {
    event.notification.close();
    event.waitUntil(open(urlFor(event.notification.data, scope), scope));
  };
}

async function open(url: string, scope: WorkerScope): Promise<void> {
  const client = await bestWindow(url, scope);
  if (client && (await ask(client, { type: 'carillon:open', url }))) await client.focus();
  else await scope.clients.openWindow(url);
  await setBadge((await scope.registration.getNotifications()).length, scope);
}

/**
 * The window that is at the URL, else the focused one, else one that is in view, else any. The pages are asked: a
 * client's `url` is the one that it was loaded by, not what a single-page app shows by now.
 */
async function bestWindow(url: string, scope: WorkerScope): Promise<WindowClient | undefined> {
  const windows = await windowsOf(scope);
  if (windows.length < 2) return windows[0];
  const ranked = await Promise.all(
    windows.map(async (client) => {
      const isThere = await ask(client, { type: 'carillon:is-at', url }, IS_AT_MS);
      const rank = isThere ? 0 : client.focused ? 1 : client.visibilityState === 'visible' ? 2 : 3;
      return { client, rank };
    }),
  );
  return ranked.toSorted((a, b) => a.rank - b.rank)[0]?.client;
}

/**
 * On this app's own origin, whatever the sender calls it: a server may be known by several names, and the person is signed in
 * under this one.
 */
function urlFor(data: unknown, { location: { origin } }: WorkerScope): string {
  const navigate = (data as NotificationData | null)?.navigate ?? linkOfFirebase(data);
  const target = typeof navigate === 'string' ? URL.parse(navigate, origin) : null;
  if (!target || !/^https?:$/.test(target.protocol)) return `${origin}/`;
  return origin + target.pathname + target.search + target.hash;
}
