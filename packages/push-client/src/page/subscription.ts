import { keyBytes } from '../keys.ts';
import {
  activeRegistration,
  askPermission,
  type Browser,
  subscriptionWithKey,
  thisBrowser,
} from './browser.ts';
import { PushError, wordsOf } from './push-error.ts';

export interface SubscribeOptions {
  /** base64url, as Carillon's `vapid_public_key`. */
  readonly vapidPublicKey: string;
  /** E.g. `/sw.js`. */
  readonly serviceWorkerUrl: string;
}

/**
 * Asks for permission where needed, and subscribes. Call it in a click: browsers refuse the question otherwise.
 * @throws PushError
 */
export async function subscribe(
  options: SubscribeOptions,
  browser: Browser = thisBrowser(),
): Promise<PushSubscription> {
  await askPermission(browser);
  return current(options, browser);
}

/**
 * At each start of an app whose person has turned notifications on: gives the subscription, renewed when it was lost or was
 * made with another VAPID key. Asks nothing: without permission it gives undefined.
 * @throws PushError `worker-failed`, `service-failed`
 */
export async function ensureSubscription(
  options: SubscribeOptions,
  browser: Browser = thisBrowser(),
): Promise<PushSubscription | undefined> {
  return browser.support().state === 'granted' ? current(options, browser) : undefined;
}

/** Ends the subscription of this browser, at logout for one. Returns whether there was any. */
export async function unsubscribe(
  serviceWorker: Pick<ServiceWorkerContainer, 'getRegistration'> | undefined = navigator.serviceWorker,
): Promise<boolean> {
  const registration = await serviceWorker?.getRegistration();
  const subscription = await registration?.pushManager?.getSubscription();
  return (await subscription?.unsubscribe()) ?? false;
}

async function current(
  { vapidPublicKey, serviceWorkerUrl }: SubscribeOptions,
  { serviceWorker }: Browser,
): Promise<PushSubscription> {
  const registration = await activeRegistration(serviceWorkerUrl, serviceWorker);
  try {
    const known = await subscriptionWithKey(registration, vapidPublicKey);
    return (
      known ??
      (await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: keyBytes(vapidPublicKey),
      }))
    );
  } catch (error) {
    throw new PushError(
      'service-failed',
      `The browser's push service gave no subscription: ${wordsOf(error)}`,
      { cause: error },
    );
  }
}
