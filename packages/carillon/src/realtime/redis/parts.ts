import type { RedisConfig, RedisPresenceConfig } from '../../config/config.ts';
import { redisUrl } from '../../config/engine.ts';
import type { Logger } from '../../logger.ts';
import { RedisLink } from '../../storage/redis/link.ts';
import { RedisBroker } from './broker.ts';
import { RedisNodeBus } from './node-bus.ts';
import { RedisPresence } from './presence.ts';
import { PRESENCE_SCRIPTS, STREAM_SCRIPTS } from './scripts.ts';

const SCRIPTS = [...Object.values(STREAM_SCRIPTS), ...Object.values(PRESENCE_SCRIPTS)];

type Purpose = 'commands' | 'subscriptions';

/** Opens the parts of real time that are in Redis. What uses the same Redis uses the same connections. */
export class RedisParts {
  readonly #logger: Logger;
  readonly #links = new Map<string, Promise<RedisLink>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  async broker(config: RedisConfig): Promise<RedisBroker> {
    const shards = await Promise.all(
      config.address.map(async (address) => {
        const [commands, subscriptions] = await Promise.all([
          this.#link(config, address, 'commands'),
          this.#link(config, address, 'subscriptions'),
        ]);
        return { name: placeOf(address), commands, subscriptions };
      }),
    );
    return new RedisBroker(shards, config.prefix);
  }

  /** On one Redis of several, the same for all nodes in whatever order they list them. */
  async bus(config: RedisConfig): Promise<RedisNodeBus> {
    const address = config.address.reduce((one, other) => (placeOf(other) < placeOf(one) ? other : one));
    const [commands, subscriptions] = await Promise.all([
      this.#link(config, address, 'commands'),
      this.#link(config, address, 'subscriptions'),
    ]);
    return new RedisNodeBus(commands, subscriptions, config.prefix);
  }

  async presence(config: RedisPresenceConfig): Promise<RedisPresence> {
    const shards = await Promise.all(
      config.address.map(async (address) => ({
        name: placeOf(address),
        commands: await this.#link(config, address, 'commands'),
      })),
    );
    return new RedisPresence(shards, config.prefix, config.presence_ttl);
  }

  async close(): Promise<void> {
    const links = await Promise.allSettled(this.#links.values());
    await Promise.all(links.map((link) => link.status === 'fulfilled' && link.value.close()));
  }

  #link(config: RedisConfig, address: string, purpose: Purpose): Promise<RedisLink> {
    const { user, password, db } = config;
    const key = JSON.stringify([address, user, password, db, purpose]);
    let link = this.#links.get(key);
    if (!link) {
      link = RedisLink.open({
        address,
        user,
        password,
        db,
        purpose: `real time: ${purpose}`,
        logger: this.#logger,
        connectTimeoutMs: config.connect_timeout,
        ioTimeoutMs: config.io_timeout,
        scripts: purpose === 'commands' ? SCRIPTS : [],
      });
      this.#links.set(key, link);
    }
    return link;
  }
}

/** Host, port and database: what stays the same when a password changes. */
function placeOf(address: string): string {
  const { host, pathname } = new URL(redisUrl(address));
  return `${host}${pathname === '/' ? '' : pathname}`;
}
