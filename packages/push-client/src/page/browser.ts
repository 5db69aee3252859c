import { hasKey } from '../keys.ts';
import { PushError, wordsOf } from './push-error.ts';
import { pushSupport } from './support.ts';

/** What subscribing uses of the browser. */
export interface Browser {
  readonly support: typeof pushSupport;
  readonly requestPermission: () => Promise<NotificationPermission>;
  readonly serviceWorker: Pick<ServiceWorkerContainer, 'register' | 'getRegistration'>;
}

export function thisBrowser(): Browser {
  return {
    support: () => pushSupport(),
    requestPermission: () => Notification.requestPermission(),
    serviceWorker: navigator.serviceWorker,
  };
}

/** Asks the person, where they have not been asked. First of all in a click: it counts for a short time only. @throws PushError */
export async function askPermission(browser: Browser): Promise<void> {
  const { state, reason } = browser.support();
  if (state === 'unsupported' || state === 'needs-install') throw new PushError('unsupported', reason);
  const permission = await browser.requestPermission();
  if (permission === 'denied') throw new PushError('denied', browser.support().reason);
  if (permission !== 'granted')
    throw new PushError('dismissed', 'The question was closed without an answer.');
}

/**
 * Installs the service worker of this URL, in the place of any other, and waits until it is at work: subscribing before
 * fails in some browsers.
 * @throws PushError `worker-failed`
 */
export async function activeRegistration(
  url: string,
  serviceWorker: Browser['serviceWorker'],
): Promise<ServiceWorkerRegistration> {
  try {
    const registration = await serviceWorker.register(url);
    const { active } = registration;
    const next = registration.installing ?? registration.waiting;
    // A new version of the active one may come in its own time; another script is what the caller needs.
    if (!active || (next && next.scriptURL !== active.scriptURL)) await activation(next);
    return registration;
  } catch (error) {
    throw new PushError(
      'worker-failed',
      `The service worker ${url.replace(/\?.*/, '')} could not be installed: ${wordsOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * The registration's subscription if it was made with this key. One of another key is ended: a browser has one subscription
 * for a registration, and refuses to make a second one.
 */
export async function subscriptionWithKey(
  { pushManager }: Pick<ServiceWorkerRegistration, 'pushManager'>,
  vapidPublicKey: string,
): Promise<PushSubscription | undefined> {
  const known = await pushManager.getSubscription();
  if (known && hasKey(known, vapidPublicKey)) return known;
  await known?.unsubscribe();
  return undefined;
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
