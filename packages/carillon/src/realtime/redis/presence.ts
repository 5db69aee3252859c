import type { RedisLink } from '../../storage/redis/link.ts';
import type { PresenceStats, PresenceStore } from '../presence.ts';
import type { ClientInfo } from '../publication.ts';
import { readClient, writeClient } from './envelope.ts';
import { PRESENCE_SCRIPTS } from './scripts.ts';
import { Shards } from './shards.ts';

export interface PresenceShard {
  /** The same on every node: it decides which channels are here. */
  readonly name: string;
  readonly commands: RedisLink;
}

/** Presence in Redis, shared by all nodes. Whoever is not renewed within `ttlMs`, because its node died, is gone. */
export class RedisPresence implements PresenceStore {
  readonly #shards: Shards<RedisLink>;
  readonly #prefix: string;
  readonly #ttl: string;

  /** Uses the links, and leaves closing them to their owner. */
  constructor(shards: readonly PresenceShard[], prefix: string, ttlMs: number) {
    this.#shards = new Shards(shards.map(({ name, commands }) => ({ name, value: commands })));
    this.#prefix = prefix;
    this.#ttl = String(ttlMs);
  }

  async add(channel: string, info: ClientInfo): Promise<void> {
    await this.#run('add', channel, [info.client, writeClient(info), this.#ttl]);
  }

  async remove(channel: string, client: string): Promise<void> {
    await this.#run('remove', channel, [client]);
  }

  async of(channel: string): Promise<Record<string, ClientInfo>> {
    const entries = (await this.#run('of', channel, [])) as string[];
    return Object.fromEntries(
      entries.map((entry) => {
        const info = readClient(entry);
        return [info.client, info];
      }),
    );
  }

  async stats(channel: string): Promise<PresenceStats> {
    const [clients, users] = (await this.#run('stats', channel, [])) as [number, number];
    return { num_clients: clients, num_users: users };
  }

  async close(): Promise<void> {}

  #run(name: keyof typeof PRESENCE_SCRIPTS, channel: string, args: readonly string[]) {
    const keys = [`${this.#prefix}.presence.{${channel}}`, `${this.#prefix}.presence_due.{${channel}}`];
    return this.#shards.of(channel).run(PRESENCE_SCRIPTS[name], keys, args);
  }
}
