/** What service worker and pages say to each other, each with a MessagePort for the answer. */

/** Worker → page: is what this tag stands for before the person's eyes? Answer: true or false. */
export interface IsOpenMessage {
  readonly type: 'carillon:is-open';
  readonly tag: string;
}

/** Worker → page: is this URL what the page shows, whether or not anybody looks at it? Answer: true or false. */
export interface IsAtMessage {
  readonly type: 'carillon:is-at';
  readonly url: string;
}

/** Worker → page: go to this URL of the app. Answer: true, once the page has taken it on. */
export interface OpenMessage {
  readonly type: 'carillon:open';
  readonly url: string;
}

export type WorkerMessage = IsOpenMessage | IsAtMessage | OpenMessage;

export function isWorkerMessage(value: unknown): value is WorkerMessage {
  if (typeof value !== 'object' || value === null) return false;
  const { type, tag, url } = value as Record<string, unknown>;
  if (type === 'carillon:is-open') return typeof tag === 'string';
  return (type === 'carillon:is-at' || type === 'carillon:open') && typeof url === 'string';
}
