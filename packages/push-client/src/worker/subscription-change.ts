import { keyBytes } from '../keys.ts';
import { type Device, deviceFrom } from '../page/device.ts';
import { type ExtendableEvent, thisWorker, type WorkerScope } from './scope.ts';

export interface SubscriptionChangeEvent extends ExtendableEvent {
  /** Old browsers give none. */
  readonly newSubscription?: PushSubscription | null;
}

export interface SubscriptionChangeOptions {
  /** The server's key, base64url; undefined when it wants no pushes. */
  readonly vapidPublicKey: () => Promise<string | undefined>;
  /** Tells the backend of the new address. */
  readonly register: (device: Device) => Promise<void>;
}

/**
 * A listener for `pushsubscriptionchange`: the push service has ended the subscription; takes a new one and registers it. If that
 * fails, the app's next start does it (`ensureSubscription`).
 */
export function handleSubscriptionChange(
  { vapidPublicKey, register }: SubscriptionChangeOptions,
  scope: WorkerScope = thisWorker(),
): (event: SubscriptionChangeEvent) => void {
  const renew = async ({ newSubscription }: SubscriptionChangeEvent) => {
    const { pushManager } = scope.registration;
    let subscription = newSubscription ?? (await pushManager.getSubscription());
    if (!subscription) {
      const key = await vapidPublicKey();
      if (key === undefined) return;
      subscription = await pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: keyBytes(key),
      });
    }
    await register(deviceFrom(subscription));
  };
  return (event) => event.waitUntil(renew(event).catch(() => {}));
}
