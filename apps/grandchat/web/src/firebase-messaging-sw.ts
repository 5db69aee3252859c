/** GrandChat's service worker where pushes come through Firebase: it shows and opens the same as `sw.ts` does. */
import { type ClickEvent, handleClick, handleFirebase, type PushEvent } from '@carillon/push-client/worker';
import { initializeApp } from '@firebase/app';
import { getMessaging, onBackgroundMessage } from '@firebase/messaging/sw';
import { firebaseConfigFrom } from './push/firebase-worker-url.ts';
import { PUSH_OPTIONS, takeOverAtOnce } from './push/worker-options.ts';

const firebase = handleFirebase(PUSH_OPTIONS);
const onClick = handleClick();

// TypeScript's DOM library does not know the events of a service worker.
addEventListener('push', (event) => firebase.onPush(event as Event & PushEvent));
// Before the SDK adds its own, which would focus any window of ours and lead nowhere.
addEventListener('notificationclick', (event) => {
  event.stopImmediatePropagation();
  onClick(event as Event & ClickEvent);
});
takeOverAtOnce();

const messaging = getMessaging(initializeApp(firebaseConfigFrom(location.search)));
onBackgroundMessage(messaging, firebase.onBackgroundMessage);
