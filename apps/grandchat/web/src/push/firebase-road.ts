import {
  type Device,
  ensureFirebase,
  type FirebaseMessaging,
  type FirebaseOptions,
  type FirebaseSubscription,
  firebaseDevice,
  subscribeFirebase,
  unsubscribe,
} from '@carillon/push-client';
import { type FirebaseConfig, firebaseWorkerUrl } from './firebase-worker-url.ts';
import type { Road } from './road.ts';

type LoadSdk = () => Promise<{ openMessaging(config: FirebaseConfig): FirebaseMessaging }>;

/**
 * Through Firebase Cloud Messaging, with its web SDK. Messages that come while a page is in view are the service worker's: what
 * the SDK hands to pages is not listened to, for they have it by WebSocket.
 */
export class FirebaseRoad implements Road {
  readonly kind = 'firebase';
  readonly #options: FirebaseOptions;
  #subscription: FirebaseSubscription | undefined;

  constructor(
    config: FirebaseConfig,
    vapidPublicKey: string,
    loadSdk: LoadSdk = () => import('./firebase-sdk.ts'),
  ) {
    this.#options = {
      vapidPublicKey,
      serviceWorkerUrl: firebaseWorkerUrl(config),
      loadMessaging: async () => (await loadSdk()).openMessaging(config),
    };
  }

  async take(): Promise<Device> {
    this.#subscription = await subscribeFirebase(this.#options);
    return firebaseDevice(this.#subscription.token);
  }

  async keep(): Promise<Device | undefined> {
    this.#subscription = await ensureFirebase(this.#options);
    return this.#subscription && firebaseDevice(this.#subscription.token);
  }

  async leave(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await (subscription?.unsubscribe() ?? unsubscribe());
  }
}
