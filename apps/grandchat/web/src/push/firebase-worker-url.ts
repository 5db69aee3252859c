/** What the SDK's worker needs of the configuration. */
const NAMES = ['apiKey', 'appId', 'messagingSenderId', 'projectId'] as const;

export type FirebaseConfig = Readonly<Record<string, string>>;

/**
 * The worker's URL carries its configuration: a browser that a push has started runs the worker by the URL that it was
 * installed by, and needs no network for it. The same configuration gives the same URL, another one a new worker.
 */
export function firebaseWorkerUrl(config: FirebaseConfig): string {
  const query = new URLSearchParams(NAMES.map((name) => [name, config[name] ?? '']));
  return `/firebase-messaging-sw.js?${query}`;
}

/** Reads it back, in the worker. @param search the query of its URL */
export function firebaseConfigFrom(search: string): FirebaseConfig {
  const query = new URLSearchParams(search);
  return Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? '']));
}
