/** Rows of an append-only table reach Carillon through PostgreSQL's log, Debezium and Kafka. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openKafkaConsumer } from '../packages/carillon/test/consumers/kafka-support.ts';
import { Recorder, upTo } from '../packages/carillon/test/consumers/recorder.ts';
import { assertNoGap, KafkaChildren } from '../packages/carillon/test/support/kafka-children.ts';
import { connectClient, SECRET } from '../packages/carillon/test/support/realtime.ts';
import { startServer } from '../packages/carillon/test/support/server.ts';
import { type DebeziumStack, startDebezium } from './support/debezium.ts';
import { missing } from './support/requires.ts';

const WRITERS = 4;
/** Longer than Connect, unless it is told otherwise, waits for a task to stop. */
const OUTAGE_MS = 7_000;

suite('Debezium’s rows', { skip: missing('postgresql', 'kafka') }, () => {
  let stack: DebeziumStack;
  before(async () => {
    stack = await startDebezium();
  });
  after(() => stack.drop());

  /** Rows 0 … count − 1, row n in partition n modulo `partitions`, by several sessions at once; one for each partition. */
  const insert = async (payloadOf: string, { from = 0, count = 0, partitions = 8 }) => {
    await Promise.all(
      upTo(WRITERS).map(async (writer) => {
        const session = new pg.Client({ connectionString: stack.dsn });
        await session.connect();
        for (let n = from; n < from + count; n++)
          if ((n % partitions) % WRITERS === writer)
            await session.query(
              `INSERT INTO chat_cdc (method, payload, partition) SELECT 'publish', ${payloadOf}, p FROM (SELECT $1::int AS n, $2::int AS p) AS row`,
              [n, n % partitions],
            );
        await session.end();
      }),
    );
  };

  test('reach a subscriber in the order of their partition; an update runs again, a delete and its tombstone are skipped', async () => {
    await stack.database.query('TRUNCATE chat_cdc');
    await stack.capture('postgres', { 'skipped.operations': 't', 'tombstones.on.delete': 'true' });
    const server = await startServer({
      client: { token: { hmac_secret_key: SECRET }, allowed_origins: ['http://localhost:*'] },
      channel: { namespaces: [{ name: 'room', allow_subscribe_for_client: true }] },
      prometheus: { enabled: true },
      consumers: [
        {
          name: 'cdc',
          enabled: true,
          type: 'kafka',
          kafka: {
            brokers: [stack.kafka.broker],
            topics: ['postgres.public.chat_cdc'],
            consumer_group: 'centrifugo',
          },
        },
      ],
    });
    try {
      const client = await connectClient(`${server.carillon.url.replace('http', 'ws')}/connection/websocket`);
      const seen: { n: number; partition: number }[] = [];
      let changed = () => {};
      for (const partition of upTo(8)) {
        const subscription = client.newSubscription(`room:${partition}`);
        subscription.on('publication', ({ data }) => {
          seen.push({ n: (data as { n: number }).n, partition });
          changed();
        });
        subscription.subscribe();
        await subscription.ready();
      }
      const until = async (condition: () => boolean) => {
        while (!condition())
          await new Promise<void>((resolve) => {
            changed = resolve;
          });
      };
      const payload = `jsonb_build_object('channel', 'room:' || p, 'data', jsonb_build_object('n', n))`;
      await insert(payload, { count: 400 });
      await until(() => seen.length === 400);
      assertNoGap(seen, 400, 8);
      assert.equal((await stack.kafka.ends('postgres.public.chat_cdc')).size, 40);

      await stack.database.query(`DELETE FROM chat_cdc WHERE payload->'data'->>'n' = '8'`);
      await stack.database.query(
        `UPDATE chat_cdc SET payload = payload || '{"tags":{"again":"yes"}}' WHERE payload->'data'->>'n' = '16'`,
      );
      await until(() => seen.length === 401);
      assert.deepEqual(seen.at(-1), { n: 16, partition: 0 });
      const metrics = await (await fetch(`${server.carillon.url}/metrics`)).text();
      // 400 rows, a delete, its tombstone, an update; all of partition 0 come in order.
      assert.match(metrics, /centrifugo_consumers_messages_processed_total\{consumer_name="cdc"\} 403/);
      assert.match(metrics, /carillon_consumers_parked_total\{consumer_name="cdc"\} 0/);
      client.disconnect();
    } finally {
      await server.close();
    }
  });

  test('in a form that is no command are parked with the setting to change', async () => {
    await stack.database.query('TRUNCATE chat_cdc');
    await stack.capture('schemas', { 'value.converter.schemas.enable': 'true', 'snapshot.mode': 'no_data' });
    await stack.capture('envelope', { transforms: '', predicates: '', 'snapshot.mode': 'no_data' });
    const recorder = new Recorder();
    const consumers = ['schemas', 'envelope'].map((name) =>
      openKafkaConsumer({
        kafka: stack.kafka,
        topic: `${name}.public.chat_cdc`,
        group: name,
        recorder,
      }),
    );
    await Promise.all(consumers.map((consumer) => consumer.start()));
    await insert(`'{}'::jsonb`, { count: 1 });
    await recorder.until(() => recorder.parked === 2);
    const log = recorder.logged.join('\n');
    assert.match(log, /parked .*schemas\.public\.chat_cdc.*set value\.converter\.schemas\.enable to false/);
    assert.match(log, /parked .*envelope\.public\.chat_cdc.*ExtractField\$Value with field \\"after\\"/);
    await Promise.all(consumers.map((consumer) => consumer.close()));
  });

  test('survive the death of the broker, of Connect and of a consumer: none is lost, each partition keeps its order', async (t) => {
    await stack.database.query('TRUNCATE chat_cdc');
    await stack.capture('faults', { 'snapshot.mode': 'no_data' });
    const children = new KafkaChildren();
    let isThrough = false;
    // Not `finally`: what a time limit ends is never through with its waiting, and its children would live on.
    t.after(async () => {
      if (!isThrough) t.diagnostic(`${distinct()} of 4000 came; Connect: ${await stack.connect.describe()}`);
      await children.close();
    });
    const options = {
      brokers: [stack.kafka.broker],
      topics: ['faults.public.chat_cdc'],
      consumer_group: 'faults',
    };
    const payload = `jsonb_build_object('n', n, 'partition', p, 'idempotency_key', 'row_' || n)`;
    const distinct = () => new Set(children.done.map(({ n }) => n)).size;
    /** A thousand rows, and what befalls somebody while they are on their way. */
    const pass = async (from: number, die: () => Promise<void>) => {
      const written = insert(payload, { from, count: 1_000 });
      await children.until(() => distinct() > from + 200);
      await die();
      await written;
      await children.until(() => distinct() === from + 1_000);
    };
    // The topic comes into being with the first row.
    const [first] = await Promise.all([
      children.start(options),
      children.start(options),
      insert(payload, { count: 1_000 }),
    ]);
    await pass(1_000, async () => {
      await stack.connect.kill();
      await stack.connect.start();
    });
    await pass(2_000, async () => {
      await stack.kafka.kill();
      await stack.connect.untilItMissesTheBroker();
      await sleep(OUTAGE_MS);
      await stack.kafka.start();
    });
    await pass(3_000, () => children.end(first, 'SIGKILL'));
    assertNoGap(children.done, 4_000, 8);
    for (const { n, idempotency_key: key } of children.done) assert.equal(key, `row_${n}`);
    isThrough = true;
  });
});
