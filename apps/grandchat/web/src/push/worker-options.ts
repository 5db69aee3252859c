import { mergeByTag, type PushOptions } from '@carillon/push-client/worker';

/** How GrandChat's pushes look, whichever road they came by. */
export const PUSH_OPTIONS: PushOptions = {
  merge: mergeByTag({
    identify: ({ data }) => messageId(data)?.toString(),
    position: ({ data }) => messageId(data),
  }),
  fallback: { title: 'GrandChat', body: 'You have a new message.' },
  icon: '/icon-192.png',
};

function messageId({ message_id: id }: Readonly<Record<string, unknown>>): number | undefined {
  return typeof id === 'number' ? id : undefined;
}

/** A new version takes over at once: it shares no state with the pages. */
export function takeOverAtOnce(): void {
  addEventListener('install', () => {
    (globalThis as unknown as { skipWaiting(): Promise<void> }).skipWaiting();
  });
}
