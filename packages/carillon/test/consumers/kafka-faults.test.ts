import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import type { Consumer } from '../../src/consumers/consumer.ts';
import { startKafka, type TestKafka, withoutKafka } from '../support/kafka.ts';
import { assertNoGap, type Done, KafkaChildren } from '../support/kafka-children.ts';
import { numbered } from './conformance.ts';
import { fresh, openKafkaConsumer } from './kafka-support.ts';
import { Recorder } from './recorder.ts';

const PARTITIONS = 4;

suite('the Kafka consumer when something dies', { skip: withoutKafka }, () => {
  let kafka: TestKafka;
  let children: KafkaChildren;
  let place: { topic: string; group: string };
  before(async () => {
    kafka = await startKafka();
  });
  after(() => kafka.drop());
  beforeEach(async () => {
    children = new KafkaChildren();
    place = { topic: fresh('commands'), group: fresh('group') };
    await kafka.createTopic(place.topic, PARTITIONS);
  });
  afterEach(() => children.close());

  const write = (count: number, from = 0) =>
    kafka.write(
      numbered(count, from).map(({ method, payload, partition }) => ({
        topic: place.topic,
        partition: partition as number,
        value: JSON.stringify({ method, payload }),
      })),
    );
  const startChild = (options: object = {}) =>
    children.start({
      brokers: [kafka.broker],
      topics: [place.topic],
      consumer_group: place.group,
      ...options,
    });
  const distinct = (done: readonly Done[]) => new Set(done.map(({ n }) => n)).size;

  test('a broker that is killed and comes back loses nothing, and the log tells of both', async () => {
    const recorder = new Recorder();
    recorder.dispatch = () => new Promise((resolve) => setImmediate(resolve));
    const consumer = openKafkaConsumer({ kafka, ...place, recorder });
    await consumer.start();
    await write(2_000);
    await recorder.until(() => recorder.done.length > 500);
    await kafka.kill();
    await recorder.until(() => recorder.logged.some((line) => /does not answer as it should/.test(line)));
    await kafka.start();
    await write(2_000, 2_000);
    await recorder.until(() => distinct(recorder.done) === 4_000);
    assertNoGap(recorder.done, 4_000, PARTITIONS);
    await recorder.until(() => recorder.logged.some((line) => /Kafka answers again/.test(line)));
    await consumer.close();
  });

  test('a consumer that is killed leaves nothing undone: another goes on, in order', async () => {
    const first = await startChild();
    await write(6_000);
    // Killed with a commit behind it and much in its hands.
    while (![...(await kafka.committed(place.group, place.topic)).values()].some((offset) => offset > 0))
      await children.next();
    assert.ok(distinct(children.done) < 6_000, 'killed too late to be in the middle');
    await children.end(first, 'SIGKILL');
    await startChild();
    await write(1_000, 6_000);
    await children.until(() => distinct(children.done) === 7_000);
    assertNoGap(children.done, 7_000, PARTITIONS);
  });

  test('a consumer that was held up for longer than its session drops what it had, and what others did stays in order', async () => {
    const held = await startChild({ session_timeout: '1s' });
    await write(2_000);
    await children.until(() => children.done.length > 300);
    held.kill('SIGSTOP');
    await startChild({ session_timeout: '1s' });
    await children.until(() => distinct(children.done) === 2_000);
    held.kill('SIGCONT');
    await children.until(() => children.logged.some((line) => /partitions lost/.test(line)));
    await write(1_000, 2_000);
    await children.until(() => distinct(children.done) === 3_000);
    assertNoGap(children.done, 3_000, PARTITIONS);
  });

  test('members that come and go under load leave no gap', async () => {
    const recorder = new Recorder();
    recorder.dispatch = () => new Promise((resolve) => setImmediate(resolve));
    const consumers: Consumer[] = [];
    const start = async () => {
      const consumer = openKafkaConsumer({ kafka, ...place, recorder });
      consumers.push(consumer);
      await consumer.start();
    };
    let written = 0;
    const load = (async () => {
      for (; written < 20_000; written += 500) await write(500, written);
    })();
    await start();
    for (const size of [2, 3, 2, 1, 2]) {
      if (size > consumers.length) await start();
      else await consumers.shift()?.close();
      await kafka.untilMembers(place.group, size);
      const soFar = recorder.done.length;
      await recorder.until(() => recorder.done.length > soFar + 500 || distinct(recorder.done) === 20_000);
    }
    await load;
    await recorder.until(() => distinct(recorder.done) === 20_000);
    await Promise.all(consumers.map((consumer) => consumer.close()));
    assertNoGap(recorder.done, 20_000, PARTITIONS);
    // Nothing died, so each handing over was clean.
    assert.equal(recorder.done.length, 20_000);
  });
});
