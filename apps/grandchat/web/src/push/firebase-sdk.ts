/** A chunk of its own, and a large one: only `FirebaseRoad` loads it. */
import type { FirebaseMessaging } from '@carillon/push-client';
import { getApps, initializeApp } from '@firebase/app';
import { deleteToken, getMessaging, getToken } from '@firebase/messaging';
import type { FirebaseConfig } from './firebase-worker-url.ts';

export function openMessaging(config: FirebaseConfig): FirebaseMessaging {
  const messaging = getMessaging(getApps()[0] ?? initializeApp(config));
  return {
    getToken: (options) => getToken(messaging, options),
    deleteToken: () => deleteToken(messaging),
  };
}
