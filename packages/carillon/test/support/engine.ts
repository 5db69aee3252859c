import { resolveConfig } from '../../src/config/load.ts';
import { type Engine, openEngine } from '../../src/realtime/engine.ts';
import { silent } from './realtime.ts';

/** Broker and presence of one node in Redis; `redis` is laid over the section `engine.redis`. */
export function openRedisEngine(address: string | readonly string[], redis: object = {}): Promise<Engine> {
  const { config } = resolveConfig({ engine: { type: 'redis', redis: { address, ...redis } } });
  return openEngine(config, silent);
}
