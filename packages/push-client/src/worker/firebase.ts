import { readFirebaseMessage } from './firebase-message.ts';
import type { NotificationContent } from './payload.ts';
import { notifier, type PushEvent, type PushOptions } from './push.ts';
import { thisWorker, type WorkerScope, windowsOf } from './scope.ts';

export interface FirebaseHandlers {
  /** For `addEventListener('push', …)`. */
  onPush(event: PushEvent): void;
  /** For the SDK's `onBackgroundMessage`. */
  onBackgroundMessage(message: FirebaseMessage): Promise<void>;
}

/** What the SDK hands over of a message. */
export interface FirebaseMessage {
  readonly data?: Readonly<Record<string, string>>;
  readonly notification?: object;
}

/**
 * Shows what comes by Firebase as `handlePush()` shows what comes by native Web Push.
 *
 * The SDK's worker goes one of two ways. With a window of the app in view it tells the pages and shows nothing; the
 * pages have the message by other means, so it is our `onPush` that rings, unless the message is before the person's
 * eyes. With none in view the SDK shows a message with a `notification` by itself, and calls `onBackgroundMessage` for
 * any: there we show what it has not, so that no message is shown twice.
 */
export function handleFirebase(
  options: PushOptions = {},
  scope: WorkerScope = thisWorker(),
): FirebaseHandlers {
  const { show, fallback } = notifier(options, scope);
  const content = (message: unknown): NotificationContent => readFirebaseMessage(message) ?? fallback;
  const isInView = async () =>
    (await windowsOf(scope)).some(({ visibilityState }) => visibilityState === 'visible');
  const ring = async (message: unknown) => {
    // Of what is no JSON the SDK takes no notice.
    if (message === undefined || (await isInView())) await show(content(message));
  };
  return {
    onPush: (event) => event.waitUntil(ring(messageOf(event))),
    async onBackgroundMessage(message) {
      if (!message.notification) await show(content(message));
    },
  };
}

function messageOf({ data }: PushEvent): unknown {
  try {
    return JSON.parse(data?.text() ?? '') ?? undefined;
  } catch {
    return undefined;
  }
}
