import { hasKey, keyBytes } from '../keys.ts';
import { pushSupport } from './support.ts';

export interface SubscribeOptions {
  /** base64url, as Carillon's `vapid_public_key`. */
  readonly vapidPublicKey: string;
  /** E.g. `/sw.js`. */
  readonly serviceWorkerUrl: string;
}

/**
 * `unsupported`: see `pushSupport()`. `denied`: the person said no. `dismissed`: they closed the question.
 * `worker-failed`: the service worker could not be installed. `service-failed`: the browser's push service gave no subscription.
 */
export type PushErrorCode = 'unsupported' | 'denied' | 'dismissed' | 'worker-failed' | 'service-failed';

export class PushError extends Error {
  override name = 'PushError';
  readonly code: PushErrorCode;
  constructor(code: PushErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What this module uses of the browser. */
export interface Browser {
  readonly support: typeof pushSupport;
  readonly requestPermission: () => Promise<NotificationPermission>;
  readonly serviceWorker: Pick<ServiceWorkerContainer, 'register' | 'getRegistration'>;
}

/**
 * Asks for permission where needed, and subscribes. Call it in a click: browsers refuse the question otherwise.
 * @throws PushError
 */
export async function subscribe(
  options: SubscribeOptions,
  browser: Browser = thisBrowser(),
): Promise<PushSubscription> {
  const { state, reason } = browser.support();
  if (state === 'unsupported' || state === 'needs-install') throw new PushError('unsupported', reason);
  // First of all: the click counts for a short time only.
  const permission = await browser.requestPermission();
  if (permission === 'denied') throw new PushError('denied', browser.support().reason);
  if (permission !== 'granted')
    throw new PushError('dismissed', 'The question was closed without an answer.');
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
    const known = await registration.pushManager.getSubscription();
    if (known && hasKey(known, vapidPublicKey)) return known;
    // A browser refuses to subscribe with a second key while the first subscription lives.
    await known?.unsubscribe();
    return await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: keyBytes(vapidPublicKey),
    });
  } catch (error) {
    throw new PushError(
      'service-failed',
      `The browser's push service gave no subscription: ${wordsOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** Subscribing before the worker is active fails in some browsers. */
async function activeRegistration(
  url: string,
  serviceWorker: Browser['serviceWorker'],
): Promise<ServiceWorkerRegistration> {
  try {
    const registration = await serviceWorker.register(url);
    if (!registration.active) await activation(registration.installing ?? registration.waiting);
    return registration;
  } catch (error) {
    throw new PushError(
      'worker-failed',
      `The service worker ${url} could not be installed: ${wordsOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function activation(worker: ServiceWorker | null): Promise<void> {
  if (!worker) return Promise.reject(new Error('it went away'));
  return new Promise((resolve, reject) => {
    const check = () => {
      if (worker.state === 'activated') resolve();
      else if (worker.state === 'redundant') reject(new Error('its installation failed'));
    };
    worker.addEventListener('statechange', check);
    check();
  });
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function thisBrowser(): Browser {
  return {
    support: () => pushSupport(),
    requestPermission: () => Notification.requestPermission(),
    serviceWorker: navigator.serviceWorker,
  };
}
