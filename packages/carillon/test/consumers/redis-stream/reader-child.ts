/** A consumer of Redis Streams in a process of its own, to be killed: what it carries out is pushed to the list `seen`. */
import { createClient } from '@redis/client';
import { NO_PARKING_LOT } from '../../../src/consumers/parking.ts';
import { RedisStreamConsumer } from '../../../src/consumers/redis-stream/redis-stream-consumer.ts';
import { Recorder } from '../recorder.ts';
import { noteSeen } from './place.ts';

const { ADDRESS = '', OPTIONS = '' } = process.env;
const client = createClient({ url: `redis://${ADDRESS}` });
client.on('error', () => {});
await client.connect();
const recorder = new Recorder();
recorder.dispatch = (_method, request) => noteSeen(client, request);
const { counters, logger } = recorder;
const options = JSON.parse(OPTIONS);
const runner = recorder.runner();
await new RedisStreamConsumer({
  name: 'test',
  options,
  runner,
  parking: NO_PARKING_LOT,
  counters,
  logger,
}).start();
