import type { PresenceStats, PresenceStore } from './presence.ts';
import type { ClientInfo } from './publication.ts';

/** Who is in which channel, in this process's memory: nothing expires, since clients cannot outlive it. */
export class MemoryPresence implements PresenceStore {
  readonly #channels = new Map<string, Map<string, ClientInfo>>();

  async add(channel: string, info: ClientInfo): Promise<void> {
    const clients = this.#channels.get(channel);
    if (clients) clients.set(info.client, info);
    else this.#channels.set(channel, new Map([[info.client, info]]));
  }

  async remove(channel: string, client: string): Promise<void> {
    const clients = this.#channels.get(channel);
    if (clients?.delete(client) && clients.size === 0) this.#channels.delete(channel);
  }

  async of(channel: string): Promise<Record<string, ClientInfo>> {
    return Object.fromEntries(this.#channels.get(channel) ?? []);
  }

  async stats(channel: string): Promise<PresenceStats> {
    const clients = [...(this.#channels.get(channel)?.values() ?? [])];
    return { num_clients: clients.length, num_users: new Set(clients.map(({ user }) => user)).size };
  }

  async close(): Promise<void> {}
}
