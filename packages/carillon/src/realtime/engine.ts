import { brokerRedis, type EngineConfig } from '../config/engine.ts';
import type { Logger } from '../logger.ts';
import type { Broker } from './broker.ts';
import { MemoryBroker } from './memory-broker.ts';
import { MemoryPresence } from './memory-presence.ts';
import type { NodeBus } from './node-bus.ts';
import type { PresenceStore } from './presence.ts';

/** What real time stands on: streams and presence, in this process or shared by many nodes. */
export interface Engine {
  readonly broker: Broker;
  readonly presence: PresenceStore;
  /** Undefined for a node that is alone. */
  readonly bus: NodeBus | undefined;
  close(): Promise<void>;
}

/**
 * Opens what the configuration names: `broker` and `presence_manager` where they are enabled, `engine` for the rest.
 * @throws UnavailableError when a Redis does not answer
 */
export async function openEngine(config: EngineConfig, logger: Logger): Promise<Engine> {
  const streams = brokerRedis(config);
  const { type, redis } = config.presence_manager.enabled ? config.presence_manager : config.engine;
  if (!streams && type === 'memory') return memoryEngine();
  // Who has no Redis need not load its client.
  const { RedisParts } = await import('./redis/parts.ts');
  const parts = new RedisParts(logger);
  try {
    const broker = streams ? await parts.broker(streams) : new MemoryBroker();
    const presence = type === 'redis' ? await parts.presence(redis) : new MemoryPresence();
    return {
      broker,
      presence,
      bus: streams && (await parts.bus(streams)),
      async close() {
        await broker.close();
        await presence.close();
        await parts.close();
      },
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

export function memoryEngine(): Engine {
  const broker = new MemoryBroker();
  const presence = new MemoryPresence();
  return {
    broker,
    presence,
    bus: undefined,
    async close() {
      await broker.close();
      await presence.close();
    },
  };
}
