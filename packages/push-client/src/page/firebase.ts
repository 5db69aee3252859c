import {
  activeRegistration,
  askPermission,
  type Browser,
  subscriptionWithKey,
  thisBrowser,
} from './browser.ts';
import { PushError, wordsOf } from './push-error.ts';
import { type SubscribeOptions, unsubscribe } from './subscription.ts';

/** What is used of the Firebase SDK's `firebase/messaging`, bound to its messaging instance. */
export interface FirebaseMessaging {
  getToken(options: {
    vapidKey: string;
    serviceWorkerRegistration: ServiceWorkerRegistration;
  }): Promise<string>;
  deleteToken(): Promise<boolean>;
}

/** `vapidPublicKey` is the Firebase project's web push certificate, `serviceWorkerUrl` a worker with `handleFirebase()`. */
export interface FirebaseOptions extends SubscribeOptions {
  /** Loads the SDK and gives its messaging; called once it is needed, and not before. */
  readonly loadMessaging: () => Promise<FirebaseMessaging>;
}

export interface FirebaseSubscription {
  /** The FCM registration token. The SDK renews it by itself: register it at each start. */
  readonly token: string;
  /** Deletes the token and ends the browser's subscription. Never fails: without a network the token dies at its next push. */
  unsubscribe(): Promise<void>;
}

/** At logout nobody waits longer for Google. */
const DELETE_MS = 3_000;

/**
 * As `subscribe()`, by the Firebase SDK. A subscription of this browser that was made with another key, by native Web Push
 * for one, is ended: the SDK would take it for its own.
 * @throws PushError
 */
export async function subscribeFirebase(
  options: FirebaseOptions,
  browser: Browser = thisBrowser(),
): Promise<FirebaseSubscription> {
  await askPermission(browser);
  return current(options, browser);
}

/**
 * As `ensureSubscription()`, by the Firebase SDK: gives the token of today, which may be another one than yesterday's.
 * @throws PushError `worker-failed`, `service-failed`
 */
export async function ensureFirebase(
  options: FirebaseOptions,
  browser: Browser = thisBrowser(),
): Promise<FirebaseSubscription | undefined> {
  return browser.support().state === 'granted' ? current(options, browser) : undefined;
}

async function current(
  { vapidPublicKey, serviceWorkerUrl, loadMessaging }: FirebaseOptions,
  { serviceWorker }: Browser,
): Promise<FirebaseSubscription> {
  // The SDK's own first `getToken` fails where its worker is not active yet.
  const registration = await activeRegistration(serviceWorkerUrl, serviceWorker);
  try {
    const messaging = await loadMessaging();
    await subscriptionWithKey(registration, vapidPublicKey);
    const token = await messaging.getToken({
      vapidKey: vapidPublicKey,
      serviceWorkerRegistration: registration,
    });
    return {
      token,
      async unsubscribe() {
        await inTime(messaging.deleteToken().catch(() => false));
        await unsubscribe(serviceWorker).catch(() => false);
      },
    };
  } catch (error) {
    throw new PushError('service-failed', `Firebase gave no token: ${wordsOf(error)}`, { cause: error });
  }
}

async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DELETE_MS);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
