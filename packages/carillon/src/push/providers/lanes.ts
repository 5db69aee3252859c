import type { ProviderName } from './provider.ts';

/**
 * A provider of an app, as the queue and the senders name it: `fcm` is the default app's, `fcm:shop` that of the app
 * `shop`. Each has its own credentials, connections and part of the queue.
 */
export type ProviderLane = ProviderName | `${ProviderName}:${string}`;

/** @param app its name; empty for the default app */
export function laneOf(provider: ProviderName, app: string): ProviderLane {
  return app === '' ? provider : `${provider}:${app}`;
}

export function providerOf(lane: ProviderLane): ProviderName {
  const end = lane.indexOf(':');
  return (end < 0 ? lane : lane.slice(0, end)) as ProviderName;
}

/** Empty for the default app. */
export function appOf(lane: ProviderLane): string {
  const end = lane.indexOf(':');
  return end < 0 ? '' : lane.slice(end + 1);
}
