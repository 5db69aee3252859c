import { after, before } from 'node:test';
import { memoryDatabase, type TestDatabase } from '../../support/database.ts';
import { startRedis, type TestRedis, withoutRedis } from '../../support/redis.ts';
import { consumerConformance } from '../conformance.ts';
import { StreamPlace } from './place.ts';

let redis: TestRedis;
let database: TestDatabase;
before(async () => {
  if (!withoutRedis) [redis, database] = await Promise.all([startRedis(), memoryDatabase()]);
});
after(async () => {
  await redis?.drop();
  await database?.drop();
});

consumerConformance('the consumer of Redis Streams', async () => new StreamPlace(redis, database.db), {
  skip: withoutRedis,
});
