import { type Merge, type Merged, mergeByTag, mergedFrom } from './merge.ts';
import { type NotificationContent, readPayload } from './payload.ts';
import { isOutOfSight } from './presence.ts';
import { type ExtendableEvent, thisWorker, type WorkerScope } from './scope.ts';

export interface PushEvent extends ExtendableEvent {
  readonly data: { text(): string } | null;
}

export interface PushOptions {
  /** `isOutOfSight` when absent. If it throws, the notification is shown. */
  readonly shouldShow?: (content: NotificationContent, scope: WorkerScope) => Promise<boolean>;
  /** `mergeByTag()` when absent. */
  readonly merge?: Merge;
  /** For a push that cannot be read: a browser takes it amiss when nothing is shown. */
  readonly fallback?: { readonly title: string; readonly body: string };
  /** For pushes without an icon of their own. */
  readonly icon?: string;
  /** The small monochrome picture of Android's status bar. */
  readonly badge?: string;
}

/** What is kept in a notification's `data`. */
export interface NotificationData {
  readonly navigate?: string;
  readonly merged: Merged;
  /** The application's own, of the last push. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Between two shows of one tag. A Chromium that shows a tag again before the desktop has answered for the first one leaves both
 * on the screen: without a gap in 19 of 20 tries, with 2 ms in none; a busy desktop answers later.
 */
const TAG_GAP_MS = 100;

const FALLBACK = { title: 'New notification', body: 'Open the app to see what it is about.' };

/** A listener for `push`: `addEventListener('push', handlePush())`. */
export function handlePush(
  options: PushOptions = {},
  scope: WorkerScope = thisWorker(),
): (event: PushEvent) => void {
  const { show, fallback } = notifier(options, scope);
  return (event) => event.waitUntil(show(readPayload(textOf(event.data)) ?? fallback));
}

/** The way of a push onto the screen, whatever it came by. */
export interface Notifier {
  show(content: NotificationContent): Promise<void>;
  /** For what cannot be read. */
  readonly fallback: NotificationContent;
}

export function notifier(options: PushOptions, scope: WorkerScope): Notifier {
  // Pushes that come together are shown one after the other: each must see what the one before it left to merge with.
  let last: Promise<unknown> = Promise.resolve();
  let shownTag: string | undefined;
  let shownAt = 0;
  const showInTurn = async (content: NotificationContent): Promise<void> => {
    const wait = shownAt + TAG_GAP_MS - performance.now();
    if (content.tag !== undefined && content.tag === shownTag && wait > 0) {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    await show(content, options, scope);
    shownTag = content.tag;
    shownAt = performance.now();
  };
  return {
    fallback: { ...(options.fallback ?? FALLBACK), data: {} },
    show(content) {
      const shown = last.then(() => showInTurn(content));
      last = shown.catch(() => {});
      return shown;
    },
  };
}

async function show(content: NotificationContent, options: PushOptions, scope: WorkerScope): Promise<void> {
  const { shouldShow = isOutOfSight, merge = mergeByTag(), icon, badge } = options;
  if (!(await shouldShow(content, scope).catch(() => true))) return;
  const { title, tag, navigate, data, silent, lang, dir } = content;
  const [onScreen] = tag === undefined ? [] : await scope.registration.getNotifications({ tag });
  const { body, merged } = merge(mergedFrom(onScreen?.data), content);
  const kept: NotificationData = { merged, data, ...(navigate !== undefined && { navigate }) };
  await scope.registration.showNotification(title, {
    body: body ?? content.body ?? '',
    data: kept,
    ...(tag !== undefined && { tag }),
    ...((content.icon ?? icon) !== undefined && { icon: content.icon ?? icon }),
    ...(badge !== undefined && { badge }),
    ...(silent !== undefined && { silent }),
    ...(lang !== undefined && { lang }),
    ...(dir !== undefined && { dir }),
  });
  const count = content.appBadge ?? (await scope.registration.getNotifications()).length;
  await setBadge(count, scope);
}

/** Marks the app's icon, where there is one; 0 clears the mark. */
export async function setBadge(count: number, { navigator }: WorkerScope): Promise<void> {
  // Refused to apps that are not installed, in some browsers.
  await navigator.setAppBadge?.(count).catch(() => {});
}

function textOf(data: PushEvent['data']): string {
  try {
    return data?.text() ?? '';
  } catch {
    return '';
  }
}
