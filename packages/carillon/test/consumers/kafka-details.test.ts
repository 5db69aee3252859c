import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Consumer } from '../../src/consumers/consumer.ts';
import { KAFKA_USER, startKafka, type TestKafka, withoutKafka } from '../support/kafka.ts';
import { startJavaMember } from '../support/kafka-java-member.ts';
import { fresh, openKafkaConsumer } from './kafka-support.ts';
import { Recorder, upTo } from './recorder.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes outside the heap, where what comes from sockets is. */
function memoryInUse(): number {
  collectGarbage();
  return process.memoryUsage().external;
}

/** How often a consumer was told of partitions that come or go. */
function roundsOf(recorder: Recorder): number {
  return recorder.logged.filter((line) => /partitions (assigned|handed over|lost)/.test(line)).length;
}

suite('the Kafka consumer', { skip: withoutKafka }, () => {
  let kafka: TestKafka;
  before(async () => {
    kafka = await startKafka();
  });
  after(() => kafka.drop());

  const recordOf = (topic: string, n: number, partition = 0) => ({
    topic,
    partition,
    value: JSON.stringify({ method: 'publish', payload: { n, partition } }),
  });
  /** A topic of its own with a consumer of it; closed by the test's end. */
  const open = async (
    context: { after(fn: () => Promise<void>): void },
    { partitions = 1, options = {}, create = true } = {},
  ) => {
    const place = { kafka, topic: fresh('commands'), group: fresh('group'), recorder: new Recorder() };
    if (create) await kafka.createTopic(place.topic, partitions);
    const consumers: Consumer[] = [];
    const openOne = (recorder = place.recorder, more: object = {}) => {
      const consumer = openKafkaConsumer({ ...place, recorder, options: { ...options, ...more } });
      consumers.push(consumer);
      return consumer;
    };
    context.after(async () => {
      await Promise.all(consumers.map((consumer) => consumer.close()));
    });
    return { ...place, openOne };
  };

  test('tombstones and null are skipped and counted; a record in publication data mode is published', async (context) => {
    const { topic, recorder, openOne } = await open(context, {
      options: { publication_data_mode: { enabled: true } },
    });
    await kafka.write([
      { topic, key: 'a', value: null },
      { topic, key: 'a', value: 'null' },
      { topic, value: '1' },
      { topic, value: '2', headers: { 'centrifugo-channels': 'a', 'centrifugo-delta': 'maybe' } },
      { topic, value: '3', headers: { 'centrifugo-channels': 'a,b' } },
    ]);
    const seen: unknown[] = [];
    recorder.dispatch = (method, request) => seen.push({ method, ...request });
    await openOne().start();
    await recorder.until(() => recorder.processed === 5);
    assert.equal(recorder.done.map(({ method }) => method).join(), 'broadcast');
    assert.equal(recorder.parked, 1);
    assert.match(recorder.logged.join('\n'), /a record was skipped .*no header centrifugo-channels/);
  });

  test('aborted transactions are not seen, unless the configuration wants what is not committed', async (context) => {
    const { topic, recorder, group, openOne } = await open(context);
    const record = (n: number) => recordOf(topic, n);
    await kafka.transaction([record(0), record(1)], 'abort');
    await kafka.transaction([record(2)], 'commit');
    await kafka.transaction([record(3)], 'abort');
    await kafka.transaction([record(4)], 'abort');
    await kafka.write([record(5)]);
    const consumer = openOne();
    await consumer.start();
    await recorder.until(() => recorder.processed === 2);
    assert.deepEqual(recorder.order(), [2, 5]);
    await consumer.close();
    assert.deepEqual(await kafka.committed(group, topic), await kafka.ends(topic));
    const all = new Recorder();
    await openOne(all, { consumer_group: fresh('group'), fetch_read_uncommitted: true }).start();
    await all.until(() => all.processed === 6);
    assert.deepEqual(all.order(), [0, 1, 2, 3, 4, 5]);
  });

  test('every compression is read, and a record of five megabytes', async (context) => {
    const { topic, recorder, openOne } = await open(context);
    for (const [n, compression] of (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).entries())
      await kafka.write([recordOf(topic, n)], compression);
    const payload = { n: 5, padding: 'x'.repeat(5_000_000) };
    await kafka.write([{ topic, partition: 0, value: JSON.stringify({ method: 'publish', payload }) }]);
    await kafka.write([recordOf(topic, 6)]);
    await openOne().start();
    await recorder.until(() => recorder.processed === 7);
    assert.deepEqual(recorder.order(), upTo(7));
  });

  test('with partition_queue_max_size -1 a partition is read on when its queue is empty, in order', async (context) => {
    const { topic, recorder, openOne } = await open(context, {
      options: { partition_queue_max_size: -1, max_poll_records: 7 },
    });
    await kafka.write(upTo(100).map((n) => recordOf(topic, n)));
    await openOne().start();
    await recorder.until(() => recorder.processed === 100);
    await kafka.write(upTo(100, 100).map((n) => recordOf(topic, n)));
    await recorder.until(() => recorder.processed === 200);
    assert.deepEqual(recorder.order(), upTo(200));
  });

  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    test(`it shows user and password by ${mechanism}, and a wrong one stops the start in words without it`, async (context) => {
      const { topic, recorder, openOne } = await open(context);
      await kafka.write([recordOf(topic, 1)]);
      const sasl = { brokers: [kafka.saslBroker], sasl_mechanism: mechanism, sasl_user: KAFKA_USER.name };
      await openOne(recorder, { ...sasl, sasl_password: KAFKA_USER.password }).start();
      await recorder.until(() => recorder.processed === 1);
      await assert.rejects(
        openOne(recorder, { ...sasl, sasl_password: 'a wrong one' }).start(),
        (error: Error) => {
          assert.match(
            error.message,
            /no broker of Kafka can be reached at 127\.0\.0\.1:\d+: .*[Aa]uthentication/,
          );
          assert.doesNotMatch(error.message, /a wrong one/);
          return true;
        },
      );
    });
  }

  test('over TLS it trusts the authority it is given, and no other', async (context) => {
    const { topic, recorder, openOne } = await open(context);
    await kafka.write([recordOf(topic, 1)]);
    const brokers = [kafka.tlsBroker];
    const ca = kafka.certificates.ca;
    const base64 = Buffer.from(ca).toString('base64');
    await openOne(recorder, { brokers, tls: { enabled: true, server_ca_pem: base64 } }).start();
    await recorder.until(() => recorder.processed === 1);
    await assert.rejects(openOne(recorder, { brokers, tls: { enabled: true } }).start(), /certificate/);
    assert.throws(
      () => openOne(recorder, { brokers, tls: { enabled: true, server_ca_pem: '/nowhere/ca.pem' } }),
      /kafka\.tls\.server_ca_pem is neither PEM text, .*ENOENT/,
    );
  });

  test('it does not start without a broker, and says which it tried', async (context) => {
    const { recorder, openOne } = await open(context, { create: false });
    await assert.rejects(
      openOne(recorder, { brokers: ['127.0.0.1:1'] }).start(),
      /consumer test: no broker of Kafka can be reached at 127\.0\.0\.1:1: .*ECONNREFUSED/,
    );
  });

  test('a topic that comes later, and partitions that are added to it, are read from the first record on', async (context) => {
    const { topic, recorder, openOne } = await open(context, { create: false });
    await openOne().start();
    await kafka.createTopic(topic, 1);
    await kafka.write([recordOf(topic, 0)]);
    await recorder.until(() => recorder.processed === 1);
    await kafka.addPartitions(topic, 3);
    await kafka.write([recordOf(topic, 1, 1), recordOf(topic, 2, 2)]);
    await recorder.until(() => recorder.processed === 3);
    assert.deepEqual(recorder.order().sort(), [0, 1, 2]);
  });

  test('nothing is committed beyond what has taken effect, and a handing over waits for the command under way', async (context) => {
    const { topic, group, recorder, openOne } = await open(context, { partitions: 2 });
    await kafka.write([
      ...upTo(10).map((n) => recordOf(topic, n)),
      ...upTo(10).map((n) => recordOf(topic, n, 1)),
    ]);
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let running = 0;
    recorder.dispatch = async (_method, { n }) => {
      if (n !== 5) return;
      running += 1;
      await held;
      running -= 1;
    };
    await openOne().start();
    await recorder.until(() => running === 2);
    const second = new Recorder();
    second.dispatch = () => assert.equal(running, 1, 'the other had not let go of this partition');
    const other = openOne(second);
    await other.start();
    // The new member is in the group once the first has been told to hand over; it waits for the held command.
    await kafka.untilMembers(group, 2);
    for (const offset of (await kafka.committed(group, topic)).values()) assert.ok(offset <= 5);
    assert.equal(second.done.length, 0);
    recorder.dispatch = () => {};
    second.dispatch = () => {};
    letGo();
    await recorder.until(() => recorder.done.length + second.done.length >= 20);
    await second.until(() => second.done.length > 0);
    for (const partition of [0, 1]) {
      const order = [...recorder.order(partition), ...second.order(partition)];
      assert.deepEqual(order, upTo(10), `partition ${partition}`);
    }
  });

  test('a partition that is held up keeps little in memory, and shows how much waits', async (context) => {
    const { topic, recorder, openOne } = await open(context, { partitions: 2 });
    const megabyte = 'x'.repeat(1_000_000);
    const payload = { n: 0, partition: 0, padding: megabyte };
    const value = JSON.stringify({ method: 'publish', payload });
    for (const _ of upTo(60)) await kafka.write([{ topic, partition: 0, value }]);
    await kafka.write([recordOf(topic, 1, 1)]);
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    recorder.dispatch = (_method, { partition }) => (partition === 0 ? held : undefined);
    const before = memoryInUse();
    await openOne().start();
    await recorder.until(() => recorder.processed === 1);
    while (recorder.lags.get(`messages:${topic}/0`) !== 60) await recorder.next();
    assert.ok(memoryInUse() - before < 20_000_000, `${memoryInUse() - before} bytes more`);
    letGo();
    await recorder.until(() => recorder.processed === 61);
  });

  test('records that are gone before they were read are an error in the log, and what is there is read', async (context) => {
    const { topic, group, recorder, openOne } = await open(context);
    await kafka.write(upTo(5).map((n) => recordOf(topic, n)));
    const first = openOne();
    await first.start();
    await recorder.until(() => recorder.processed === 5);
    await first.close();
    await kafka.write(upTo(10, 5).map((n) => recordOf(topic, n)));
    await kafka.deleteRecords(topic, 0, 8);
    await openOne().start();
    await recorder.until(() => recorder.order().includes(14));
    assert.deepEqual(recorder.order(), [0, 1, 2, 3, 4, ...upTo(7, 8)]);
    assert.match(recorder.logged.join('\n'), /records are gone from Kafka .*"wanted":"5","first":"8"/);
    assert.ok(group);
  });

  test('a static member is back with its partitions after a restart, without a new round', async (context) => {
    const { topic, group, recorder, openOne } = await open(context, {
      partitions: 2,
      options: { session_timeout: '30s' },
    });
    const other = new Recorder();
    await openOne(other, { instance_id: 'b' }).start();
    const first = openOne(recorder, { instance_id: 'a' });
    await first.start();
    await kafka.untilMembers(group, 2);
    await kafka.write([recordOf(topic, 0, 0), recordOf(topic, 1, 1)]);
    await recorder.until(() => recorder.processed === 1);
    await other.until(() => other.processed === 1);
    const [mine] = recorder.done;
    const rounds = roundsOf(other);
    await first.close();
    await kafka.untilMembers(group, 2);
    await kafka.write([recordOf(topic, 2, mine?.partition)]);
    await openOne(recorder, { instance_id: 'a' }).start();
    await recorder.until(() => recorder.processed === 2);
    assert.deepEqual(recorder.order(), [mine?.n, 2]);
    assert.equal(roundsOf(other), rounds);
  });

  for (const leader of ['this one', 'Kafka’s own']) {
    test(`it shares a group with Kafka’s own consumer when ${leader} divides the partitions`, async (context) => {
      const { topic, group, recorder, openOne } = await open(context, { partitions: 4 });
      const consumer = openOne();
      if (leader === 'this one') {
        await consumer.start();
        await kafka.untilMembers(group, 1);
      }
      const java = await startJavaMember(kafka.broker, topic, group);
      context.after(() => java.kill());
      await kafka.untilMembers(group, leader === 'this one' ? 2 : 1);
      if (leader !== 'this one') await consumer.start();
      await kafka.untilMembers(group, 2);
      const total = 400;
      const numbersOf = (lines: readonly string[]) =>
        lines.map((line) => (JSON.parse(line) as { payload: { n: number } }).payload.n);
      const union = () => new Set([...recorder.order(), ...numbersOf(java.lines)]);
      // Both have a part when both have had records.
      for (let from = 0; recorder.done.length === 0 || java.lines.length === 0 || from < total; from += 40) {
        await kafka.write(upTo(40, from).map((n) => recordOf(topic, n, n % 4)));
        while (union().size < from + 40) await Promise.race([recorder.next(), java.next()]);
      }
      await java.leave();
      const last = union().size;
      await kafka.write(upTo(40, last).map((n) => recordOf(topic, n, n % 4)));
      await recorder.until(() => upTo(40, last).every((n) => recorder.order().includes(n)));
    });
  }
});
