import { type Device, deviceFrom, ensureSubscription, subscribe, unsubscribe } from '@carillon/push-client';
import type { Road } from './road.ts';

/** Web Push by the browser's own service, encrypted from Carillon to the browser. */
export class NativeRoad implements Road {
  readonly kind = 'native';
  readonly #options;

  constructor(vapidPublicKey: string) {
    this.#options = { vapidPublicKey, serviceWorkerUrl: '/sw.js' };
  }

  async take(): Promise<Device> {
    return deviceFrom(await subscribe(this.#options));
  }

  async keep(): Promise<Device | undefined> {
    const subscription = await ensureSubscription(this.#options);
    return subscription && deviceFrom(subscription);
  }

  async leave(): Promise<void> {
    await unsubscribe();
  }
}
