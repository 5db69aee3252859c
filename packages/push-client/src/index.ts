/**
 * What a web page needs to receive pushes.
 *
 * The page asks `pushSupport()`, explains, and in a click calls `subscribe()`. `deviceFrom()` turns the subscription into what a
 * backend registers with Carillon. At each start `ensureSubscription()` brings it up to date; at logout `unsubscribe()` ends it.
 * Where pushes go through Firebase, `subscribeFirebase()`, `ensureFirebase()` and `firebaseDevice()` take their places.
 * The service worker's half is `@carillon/push-client/worker`.
 */

export { clearNotifications } from './page/clear.ts';
export { type Device, deviceFrom, firebaseDevice } from './page/device.ts';
export {
  ensureFirebase,
  type FirebaseMessaging,
  type FirebaseOptions,
  type FirebaseSubscription,
  subscribeFirebase,
} from './page/firebase.ts';
export { answerIsOpen, listenForOpen } from './page/messages.ts';
export { PushError, type PushErrorCode } from './page/push-error.ts';
export { ensureSubscription, type SubscribeOptions, subscribe, unsubscribe } from './page/subscription.ts';
export { type PushState, type PushSupport, type PushSupportCode, pushSupport } from './page/support.ts';
