import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { DatabaseParkingLot } from '../../src/consumers/parking.ts';
import { memoryDatabase, type TestDatabase } from '../support/database.ts';
import { startKafka, type TestKafka, withoutKafka } from '../support/kafka.ts';
import {
  type ConsumerPlace,
  consumerConformance,
  numbered,
  type Parked,
  type TestCommand,
} from './conformance.ts';
import { fresh, openKafkaConsumer } from './kafka-support.ts';

let kafka: TestKafka;
let database: TestDatabase;
before(async () => {
  if (withoutKafka) return;
  [kafka, database] = await Promise.all([startKafka(), memoryDatabase()]);
});
after(async () => {
  await kafka?.drop();
  await database?.drop();
});

async function kafkaPlace(): Promise<ConsumerPlace> {
  const topic = fresh('commands');
  const group = fresh('group');
  const { db } = database;
  await kafka.createTopic(topic, 4);
  const recordOf = ({ method, payload, partition = 0 }: TestCommand) => ({
    topic,
    partition,
    value: JSON.stringify(payload),
    ...(method && { headers: { 'centrifugo-method': method } }),
  });
  return {
    put: (commands) => kafka.write(commands.map(recordOf)),
    putNumbered: (count, from) => kafka.write(numbered(count, from).map(recordOf)),
    async open(recorder, runnerOptions = {}) {
      const parking = new DatabaseParkingLot(db, recorder.logger);
      await parking.open();
      return openKafkaConsumer({ kafka, topic, group, recorder, parking, ...runnerOptions });
    },
    parked: () =>
      db.query<Parked>('SELECT method, payload, reason FROM carillon_parked_commands ORDER BY id'),
    async assertEmpty() {
      const committed = await kafka.committed(group, topic);
      for (const [partition, end] of await kafka.ends(topic))
        if (end > 0) assert.equal(committed.get(partition), end, `partition ${partition}`);
    },
    drop: () => db.exec('TRUNCATE carillon_parked_commands'),
  };
}

consumerConformance('the Kafka consumer', kafkaPlace, { skip: withoutKafka });
