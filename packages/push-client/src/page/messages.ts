import { isWorkerMessage, type WorkerMessage } from '../protocol.ts';

type Container = Pick<ServiceWorkerContainer, 'addEventListener' | 'removeEventListener'>;

/**
 * Answers the service worker's question whether what a tag stands for (a room, say) is open in this page. The worker
 * itself knows whether the page has the focus.
 * @returns ends it
 */
export function answerIsOpen(
  isOpen: (tag: string) => boolean,
  container: Container | undefined = navigator.serviceWorker,
): () => void {
  return listen(container, (message) =>
    message.type === 'carillon:is-open' ? isOpen(message.tag) : undefined,
  );
}

/**
 * Takes on the URL of a notification that was clicked: show it without reloading the page. Of several pages it comes to the
 * one that is there already. A click that no page takes within half a second opens a window instead.
 * @param here the URL of what the page shows
 * @returns ends it
 */
export function listenForOpen(
  open: (url: string) => void,
  container: Container | undefined = navigator.serviceWorker,
  here: () => string = () => location.href,
): () => void {
  return listen(container, (message) => {
    if (message.type === 'carillon:is-at') return withoutHash(message.url) === withoutHash(here());
    if (message.type !== 'carillon:open') return undefined;
    open(message.url);
    return true;
  });
}

function withoutHash(url: string): string {
  return url.replace(/#.*$/, '');
}

function listen(
  container: Container | undefined,
  answer: (message: WorkerMessage) => boolean | undefined,
): () => void {
  const listener = ({ data, ports }: MessageEvent) => {
    if (!isWorkerMessage(data)) return;
    const reply = answer(data);
    if (reply !== undefined) ports[0]?.postMessage(reply);
  };
  container?.addEventListener('message', listener);
  return () => container?.removeEventListener('message', listener);
}
