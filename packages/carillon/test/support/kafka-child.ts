/**
 * A Kafka consumer in a process of its own, to be killed or held up: tells its parent of each command that it carries out,
 * and goes on once that is on its way.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandRunner } from '../../src/consumers/command-runner.ts';
import { KafkaConsumer } from '../../src/consumers/kafka/kafka-consumer.ts';
import { NO_PARKING_LOT } from '../../src/consumers/parking.ts';
import { kafkaOptions } from '../consumers/kafka-support.ts';

const say = (message: object) =>
  new Promise<void>((resolve, reject) =>
    process.send?.(message, undefined, undefined, (error) => (error ? reject(error) : resolve())),
  );
const note = (level: string) => (fields: object, message: string) => void say({ level, message, fields });
const logger = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') };
const counters = { processed() {}, failed() {}, parked() {}, lag() {}, retained() {} };

const consumer = new KafkaConsumer({
  name: 'child',
  options: kafkaOptions(JSON.parse(process.env.KAFKA_OPTIONS as string)),
  runner: new CommandRunner({
    name: 'child',
    isAllowed: () => true,
    maxAttempts: 0,
    counters,
    logger,
    dispatch: async (_method, request) => {
      await sleep(1);
      await say({ done: request });
      return {};
    },
  }),
  parking: NO_PARKING_LOT,
  counters,
  logger,
});
await consumer.start();
process.once('SIGTERM', async () => {
  await consumer.close();
  process.exit(0);
});
