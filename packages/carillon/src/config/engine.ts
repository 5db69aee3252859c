import type { Config, QueueConfig, RedisConfig } from './config.ts';

export type EngineConfig = Pick<Config, 'engine' | 'broker' | 'presence_manager'>;

/** The Redis that holds streams; undefined when they are in memory. */
export function brokerRedis({ engine, broker }: EngineConfig): RedisConfig | undefined {
  const { type, redis } = broker.enabled ? broker : engine;
  return type === 'redis' ? redis : undefined;
}

/** The queue's configuration, with the address of real time's Redis (the first one) where that is to be reused. */
export function queueOf({ push_notifications, ...config }: EngineConfig & Config): QueueConfig {
  const { queue } = push_notifications;
  const engine = queue.redis.reuse_from_engine ? brokerRedis(config) : undefined;
  const [address] = engine?.address ?? [];
  const url = address ? URL.parse(redisUrl(address)) : null;
  if (!engine || !url) return queue;
  if (engine.user) url.username = engine.user;
  if (engine.password) url.password = engine.password;
  if (engine.db) url.pathname = `/${engine.db}`;
  return { ...queue, redis: { ...queue.redis, address: url.href } };
}

/** `host:port` as a URL; a URL as it is. */
export function redisUrl(address: string): string {
  return address.includes('://') ? address : `redis://${address}`;
}
