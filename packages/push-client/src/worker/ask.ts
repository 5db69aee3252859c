import type { WorkerMessage } from '../protocol.ts';
import type { WindowClient } from './scope.ts';

/**
 * A page that is busy, frozen or has no listener gives no answer. Half a second also leaves time to open a window after
 * a click, which browsers allow for one second.
 */
const ANSWER_MS = 500;

/** Puts a question to a page. False when it says so or says nothing in time. */
export function ask(client: WindowClient, message: WorkerMessage, timeoutMs = ANSWER_MS): Promise<boolean> {
  const { port1, port2 } = new MessageChannel();
  return new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data === true);
    };
    client.postMessage(message, [port2]);
  }).finally(() => port1.close());
}
