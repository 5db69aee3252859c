/**
 * What a web page needs to receive pushes.
 *
 * The page asks `pushSupport()`, explains, and in a click calls `subscribe()`. `deviceFrom()` turns the subscription into what a
 * backend registers with Carillon. At each start `ensureSubscription()` brings it up to date; at logout `unsubscribe()` ends it.
 * The service worker's half is `@carillon/push-client/worker`.
 */

export { clearNotifications } from './page/clear.ts';
export { type Device, deviceFrom } from './page/device.ts';
export { answerIsOpen, listenForOpen } from './page/messages.ts';
export {
  ensureSubscription,
  PushError,
  type PushErrorCode,
  type SubscribeOptions,
  subscribe,
  unsubscribe,
} from './page/subscription.ts';
export { type PushState, type PushSupport, type PushSupportCode, pushSupport } from './page/support.ts';
