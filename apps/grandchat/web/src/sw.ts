/** GrandChat's service worker: shows pushes, opens rooms, keeps the device registered. It touches no requests of the pages. */
import {
  type ClickEvent,
  handleClick,
  handlePush,
  handleSubscriptionChange,
  type PushEvent,
  type SubscriptionChangeEvent,
} from '@carillon/push-client/worker';
import { PUSH_OPTIONS, takeOverAtOnce } from './push/worker-options.ts';

const onPush = handlePush(PUSH_OPTIONS);

const onSubscriptionChange = handleSubscriptionChange({
  async vapidPublicKey() {
    const { push_notifications } = await (await fetch('/api/settings/')).json();
    return push_notifications.enabled ? push_notifications.vapid_public_key : undefined;
  },
  async register(device) {
    const { headers } = await fetch('/api/csrf/');
    await fetch('/api/device/register/', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRFToken': headers.get('X-CSRFToken') ?? '' },
      body: JSON.stringify({ device }),
    });
  },
});

const onClick = handleClick();

// TypeScript's DOM library does not know the events of a service worker.
addEventListener('push', (event) => onPush(event as Event & PushEvent));
addEventListener('notificationclick', (event) => onClick(event as Event & ClickEvent));
addEventListener('pushsubscriptionchange', (event) =>
  onSubscriptionChange(event as Event & SubscriptionChangeEvent),
);
takeOverAtOnce();
