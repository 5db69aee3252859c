import type { Config, RedisConfig } from './config.ts';

export const REDIS_ADDRESS =
  /^(rediss?|redis\+unix|unix):\/\/\S+$|^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/;
const KEY_PREFIX = /^[-a-zA-Z0-9_.:]{1,64}$/;

/** Addresses may hold a password: they are not shown. */
export function engineProblems({ engine, broker, presence_manager }: Config): string[] {
  const problems: string[] = [];
  const sections: [string, RedisConfig, boolean][] = [
    ['engine', engine.redis, engine.type === 'redis'],
    ['broker', broker.redis, broker.enabled && broker.type === 'redis'],
    [
      'presence_manager',
      presence_manager.redis,
      presence_manager.enabled && presence_manager.type === 'redis',
    ],
  ];
  for (const [name, { address, prefix }, isUsed] of sections) {
    if (!isUsed) continue;
    const path = `${name}.redis`;
    if (address.length === 0)
      problems.push(`${path}.address is empty: allowed is host:port or a redis:// URL, or a list of them`);
    address.forEach((item, index) => {
      if (!REDIS_ADDRESS.test(item)) {
        problems.push(
          `${path}.address[${index}] is not readable: allowed is host:port or a redis:// or rediss:// URL`,
        );
      }
    });
    if (!KEY_PREFIX.test(prefix)) {
      problems.push(
        `${path}.prefix is ${JSON.stringify(prefix)}: allowed are 1 to 64 of letters, digits, "-", "_", "." and ":"`,
      );
    }
  }
  return problems;
}
