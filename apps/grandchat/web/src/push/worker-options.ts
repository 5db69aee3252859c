import { mergeByTag, type PushOptions } from '@carillon/push-client/worker';

/** How GrandChat's pushes look, whichever road they came by. */
export const PUSH_OPTIONS: PushOptions = {
  merge: mergeByTag({
    identify: ({ data }) => (typeof data.message_id === 'number' ? String(data.message_id) : undefined),
  }),
  fallback: { title: 'GrandChat', body: 'You have a new message.' },
  icon: '/icon-192.png',
};

/** A new version takes over at once: it shares no state with the pages. */
export function takeOverAtOnce(): void {
  addEventListener('install', () => {
    (globalThis as unknown as { skipWaiting(): Promise<void> }).skipWaiting();
  });
}
