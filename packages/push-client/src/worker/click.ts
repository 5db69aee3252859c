import { ask } from './ask.ts';
import { type NotificationData, setBadge } from './push.ts';
import { type ExtendableEvent, thisWorker, type WindowClient, type WorkerScope, windowsOf } from './scope.ts';

export interface ClickEvent extends ExtendableEvent {
  readonly notification: { readonly data: unknown; readonly tag: string; close(): void };
}

/** With the half second for the page to take the URL on, this stays within the second that browsers allow after a click. */
const IS_OPEN_MS = 250;

/**
 * A listener for `notificationclick`: shows the notification's page in a window of the app that is open, without
 * reloading it, or else in a new one.
 */
export function handleClick(scope: WorkerScope = thisWorker()): (event: ClickEvent) => void {
  return (event) => {
    event.notification.close();
    event.waitUntil(open(event.notification, scope));
  };
}

async function open({ data, tag }: ClickEvent['notification'], scope: WorkerScope): Promise<void> {
  const url = urlFor(data, scope);
  const client = await bestWindow(tag, scope);
  if (client && (await ask(client, { type: 'carillon:open', url }))) await client.focus();
  else await scope.clients.openWindow(url);
  await setBadge((await scope.registration.getNotifications()).length, scope);
}

/**
 * The window that has the tag open, else the focused one, else one that is in view, else any. The pages are asked: a
 * client's `url` is the one that it was loaded by, not what a single-page app shows by now.
 */
async function bestWindow(tag: string, scope: WorkerScope): Promise<WindowClient | undefined> {
  const windows = await windowsOf(scope);
  if (windows.length < 2) return windows[0];
  const ranked = await Promise.all(
    windows.map(async (client) => {
      const hasIt = tag !== '' && (await ask(client, { type: 'carillon:is-open', tag }, IS_OPEN_MS));
      const rank = hasIt ? 0 : client.focused ? 1 : client.visibilityState === 'visible' ? 2 : 3;
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
  const navigate = (data as NotificationData | null)?.navigate;
  const target = typeof navigate === 'string' ? URL.parse(navigate, origin) : null;
  if (!target || !/^https?:$/.test(target.protocol)) return `${origin}/`;
  return origin + target.pathname + target.search + target.hash;
}
