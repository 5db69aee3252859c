/**
 * What a service worker needs to show pushes as a person wants them: nothing for what is before their eyes, one
 * notification per tag, a click that opens the right page.
 */
export { type ClickEvent, handleClick } from './worker/click.ts';
export { type FirebaseHandlers, type FirebaseMessage, handleFirebase } from './worker/firebase.ts';
export { readFirebaseMessage } from './worker/firebase-message.ts';
export { type MergeOptions, mergeByTag } from './worker/merge.ts';
export { type NotificationContent, readPayload } from './worker/payload.ts';
export { isOutOfSight } from './worker/presence.ts';
export { handlePush, type PushEvent, type PushOptions } from './worker/push.ts';
export type { WindowClient, WorkerScope } from './worker/scope.ts';
export {
  handleSubscriptionChange,
  type SubscriptionChangeEvent,
  type SubscriptionChangeOptions,
} from './worker/subscription-change.ts';
