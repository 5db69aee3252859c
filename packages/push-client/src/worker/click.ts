import { ask } from './ask.ts';
import { type NotificationData, setBadge } from './push.ts';
import { type ExtendableEvent, thisWorker, type WindowClient, type WorkerScope, windowsOf } from './scope.ts';

export interface ClickEvent extends ExtendableEvent {
  readonly notification: { readonly data: unknown; close(): void };
}

/**
 * A listener for `notificationclick`: shows the notification's page in a window of the app that is open, without
 * reloading it, or else in a new one.
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

/** The window that shows the page already, else one that is in view, else any. */
async function bestWindow(url: string, scope: WorkerScope): Promise<WindowClient | undefined> {
  const rank = (client: WindowClient) => {
    if (client.url === url) return 0;
    if (client.focused) return 1;
    return client.visibilityState === 'visible' ? 2 : 3;
  };
  const windows = (await windowsOf(scope)).filter(
    (client) => URL.parse(client.url)?.origin === scope.location.origin,
  );
  return windows.toSorted((a, b) => rank(a) - rank(b))[0];
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
