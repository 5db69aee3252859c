import { suite } from 'node:test';
import { MemoryBroker } from '../../src/realtime/memory-broker.ts';
import { MemoryPresence } from '../../src/realtime/memory-presence.ts';
import { openRedisEngine } from '../support/engine.ts';
import { startRedis, withoutRedis } from '../support/redis.ts';
import { brokerConformance, presenceConformance } from './conformance.ts';

/** Broker and presence on as many servers of Redis. */
async function inRedis(servers: number) {
  const all = await Promise.all(Array.from({ length: servers }, () => startRedis()));
  const engine = await openRedisEngine(all.map(({ address }) => address));
  return {
    ...engine,
    async close() {
      await engine.close();
      for (const redis of all) await redis.drop();
    },
  };
}

suite('the broker in memory', () => {
  brokerConformance(async () => {
    const broker = new MemoryBroker();
    return { broker, close: () => broker.close() };
  });
});
suite('presence in memory', () => {
  presenceConformance(async () => {
    const presence = new MemoryPresence();
    return { presence, close: () => presence.close() };
  });
});
for (const servers of [1, 3]) {
  const where = servers === 1 ? 'in Redis' : `on ${servers} servers of Redis`;
  suite(`the broker ${where}`, { skip: withoutRedis }, () => brokerConformance(() => inRedis(servers)));
  suite(`presence ${where}`, { skip: withoutRedis }, () => presenceConformance(() => inRedis(servers)));
}
