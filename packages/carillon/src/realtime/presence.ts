import type { ClientInfo } from './publication.ts';

/** Who is in which channel, in this process's memory. */
export class Presence {
  readonly #channels = new Map<string, Map<string, ClientInfo>>();

  add(channel: string, info: ClientInfo): void {
    const clients = this.#channels.get(channel);
    if (clients) clients.set(info.client, info);
    else this.#channels.set(channel, new Map([[info.client, info]]));
  }

  remove(channel: string, client: string): void {
    const clients = this.#channels.get(channel);
    if (clients?.delete(client) && clients.size === 0) this.#channels.delete(channel);
  }

  /** Client id → who it is. */
  of(channel: string): Record<string, ClientInfo> {
    return Object.fromEntries(this.#channels.get(channel) ?? []);
  }

  stats(channel: string): { num_clients: number; num_users: number } {
    const clients = [...(this.#channels.get(channel)?.values() ?? [])];
    return { num_clients: clients.length, num_users: new Set(clients.map(({ user }) => user)).size };
  }
}
