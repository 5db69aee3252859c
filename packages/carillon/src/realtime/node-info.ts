import type { Hub } from './hub.ts';
import { ProcessLoad } from './process-load.ts';

/** A node as `info` of the server API shows it. */
export interface NodeInfo {
  readonly uid: string;
  readonly name: string;
  readonly version: string;
  readonly num_clients: number;
  readonly num_users: number;
  readonly num_channels: number;
  readonly num_subs: number;
  /** Seconds; absent in the first one. */
  readonly uptime?: number;
  /** `cpu`: percent of one core since the last ping; `rss`: bytes. */
  readonly process?: { readonly cpu: number; readonly rss: number };
}

/** Gives a function that looks at this node. */
export function nodeInfo(node: Pick<NodeInfo, 'uid' | 'name' | 'version'>, hub: Hub): () => NodeInfo {
  const startedAt = Date.now();
  const load = new ProcessLoad();
  return () => {
    const { clients, users, channels, subscriptions } = hub.stats();
    const uptime = Math.floor((Date.now() - startedAt) / 1000);
    return {
      ...node,
      num_clients: clients,
      num_users: users,
      num_channels: channels,
      num_subs: subscriptions,
      ...(uptime > 0 && { uptime }),
      process: load.look(),
    };
  };
}
