/** What every consumer promises, whatever its source; each has a test file that gives its source to this suite. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import type { Consumer } from '../../src/consumers/consumer.ts';
import { ApiError } from '../../src/errors.ts';
import { type Numbered, Recorder, upTo } from './recorder.ts';

export interface TestCommand {
  readonly method: string;
  /** Given as an object, or as text that is to be passed on as it stands. */
  readonly payload: unknown;
  readonly partition?: number;
}

export interface Parked {
  readonly method: string;
  readonly payload: string;
  readonly reason: string;
}

/** A source of its own for one test, with four partitions. */
export interface ConsumerPlace {
  /** Adds commands in this order; resolves when the source has them for good. */
  put(commands: readonly TestCommand[]): Promise<void>;
  /**
   * Adds `publish {n, partition}` for n from `from`, `count` of them, each in partition n modulo 4, in order; the way that is
   * fast for this source.
   */
  putNumbered(count: number, from?: number): Promise<void>;
  /** A consumer named `test` that reads the source; several may be opened. Not started. */
  open(recorder: Recorder, options?: { maxAttempts?: number }): Promise<Consumer>;
  /** What was parked by consumers of this place, in order. */
  parked(): Promise<Parked[]>;
  /** Resolves when nothing unsettled is left in the source (with all consumers closed). */
  assertEmpty(): Promise<void>;
  drop(): Promise<void>;
}

const PARTITIONS = 4;
const MANY = 100_000;

/** `skip` says why the source cannot be had here. */
export function consumerConformance(
  title: string,
  openPlace: () => Promise<ConsumerPlace>,
  { skip = false }: { skip?: string | false } = {},
): void {
  suite(`${title} keeps the promises of consumers:`, { skip }, () => {
    let place: ConsumerPlace;
    const consumers: Consumer[] = [];
    const start = async (recorder: Recorder, options?: { maxAttempts?: number }) => {
      const consumer = await place.open(recorder, options);
      consumers.push(consumer);
      await consumer.start();
      return consumer;
    };
    beforeEach(async () => {
      place = await openPlace();
    });
    afterEach(async () => {
      await Promise.all(consumers.splice(0).map((consumer) => consumer.close()));
      await place.drop();
    });
    const assertOrder = (recorder: Recorder, total: number) => {
      for (const partition of upTo(PARTITIONS))
        assert.deepEqual(
          recorder.order(partition),
          upTo(total).filter((n) => n % PARTITIONS === partition),
        );
    };

    test('it carries out what is there and what comes, each partition in order', async () => {
      const recorder = new Recorder();
      await place.putNumbered(200);
      const consumer = await start(recorder);
      await recorder.until(() => recorder.processed === 200);
      await place.putNumbered(40, 200);
      await recorder.until(() => recorder.processed === 240);
      assertOrder(recorder, 240);
      await consumer.close();
      await place.assertEmpty();
    });

    test('it reads all forms of commands', async () => {
      const recorder = new Recorder();
      await place.put([
        { method: 'publish', payload: { n: 0 } },
        { method: '', payload: { method: 'broadcast', payload: { n: 1 } } },
        { method: '', payload: { method: 'user_topic_update', payload: '{"n":2}', other: true } },
      ]);
      await start(recorder);
      await recorder.until(() => recorder.processed === 3);
      assert.deepEqual(
        recorder.done.map(({ method, n }) => [method, n]),
        [
          ['publish', 0],
          ['broadcast', 1],
          ['user_topic_update', 2],
        ],
      );
    });

    test('a command that fails for now holds up its partition, in order, and no other partition', async () => {
      const recorder = new Recorder();
      let failures = 0;
      recorder.dispatch = (_method, { n }) => {
        if (n !== 4 || failures === 3) return;
        failures += 1;
        throw new ApiError('internal');
      };
      await place.putNumbered(40);
      await start(recorder);
      await recorder.until(() => recorder.processed === 40);
      assertOrder(recorder, 40);
      assert.equal(recorder.failed, 3);
    });

    test('a partition that is held up does not keep others waiting', async () => {
      const recorder = new Recorder();
      let isAway = true;
      recorder.dispatch = (_method, { partition }) => {
        if (partition === 0 && isAway) throw new ApiError('unavailable');
      };
      await place.putNumbered(40);
      await start(recorder);
      await recorder.until(() => recorder.done.length === 30 && recorder.failed > 0);
      assert.deepEqual(recorder.order(0), []);
      isAway = false;
      await recorder.until(() => recorder.processed === 40);
      assertOrder(recorder, 40);
    });

    test('a command that can never succeed is parked with its reason, counted, and what follows goes on', async () => {
      const recorder = new Recorder();
      recorder.dispatch = (_method, { n }) => {
        if (n === 1) throw new ApiError('badRequest', 'channel: is required');
      };
      await place.put([
        { method: 'publish', payload: { n: 0 } },
        { method: 'publish', payload: { n: 1 } },
        { method: 'info', payload: { n: 2 } },
        { method: '', payload: { payload: { n: 3 } } },
        { method: 'publish', payload: { n: 4 } },
      ]);
      const consumer = await start(recorder);
      await recorder.until(() => recorder.processed === 5);
      assert.deepEqual(recorder.order(), [0, 4]);
      assert.equal(recorder.parked, 3);
      const parked = await place.parked();
      assert.deepEqual(
        parked.map(({ reason }) => reason),
        [
          'bad request: channel: is required',
          'method "info" is none that consumers may call',
          'the body has no method',
        ],
      );
      assert.deepEqual(JSON.parse(parked[0]?.payload ?? ''), { n: 1 });
      assert.match(recorder.logged.join('\n'), /can never succeed, parked .*"reason":"bad request: channel/);
      await consumer.close();
      await place.assertEmpty();
    });

    test('a command on which the server itself fails is given up after some attempts, one that waits for an outage never', async () => {
      const recorder = new Recorder();
      let outages = 0;
      recorder.dispatch = (_method, { n }) => {
        if (n === 0) throw new ApiError('internal');
        if (n === 4 && outages < 5) {
          outages += 1;
          throw new ApiError('unavailable', 'Redis cannot be used');
        }
      };
      await place.putNumbered(12);
      await start(recorder, { maxAttempts: 3 });
      await recorder.until(() => recorder.processed === 12);
      assert.deepEqual(recorder.order(0), [4, 8]);
      assert.equal(outages, 5);
      assert.deepEqual(
        (await place.parked()).map(({ reason }) => reason),
        ['internal server error, 3 times'],
      );
    });

    test('closed in the middle and opened again, it loses nothing, repeats nothing and keeps the order', async () => {
      const recorder = new Recorder();
      await place.putNumbered(400);
      const first = await start(recorder);
      await recorder.until(() => recorder.done.length >= 100);
      await first.close();
      const done = recorder.done.length;
      assert.ok(done < 400, 'closed too late to be in the middle');
      await start(recorder);
      await recorder.until(() => recorder.done.length === 400);
      assertOrder(recorder, 400);
    });

    test('two share the source, and when one is closed the other has all', async () => {
      const recorder = new Recorder();
      recorder.dispatch = () => new Promise((resolve) => setImmediate(resolve));
      await place.putNumbered(400);
      const [first] = await Promise.all([start(recorder), start(recorder)]);
      await recorder.until(() => recorder.done.length >= 100);
      await first?.close();
      await recorder.until(() => new Set(recorder.order()).size === 400);
      for (const partition of upTo(PARTITIONS)) {
        const firstTimes = [...new Set(recorder.order(partition))];
        assert.deepEqual(
          firstTimes,
          [...firstTimes].sort((a, b) => a - b),
        );
      }
    });

    test(`${MANY} commands pass, each partition in order`, async (context) => {
      const recorder = new Recorder();
      await place.putNumbered(MANY);
      const began = performance.now();
      const consumer = await start(recorder);
      await recorder.until(() => recorder.processed === MANY);
      const seconds = (performance.now() - began) / 1_000;
      context.diagnostic(`${Math.round(MANY / seconds)} commands a second`);
      assertOrder(recorder, MANY);
      await consumer.close();
      await place.assertEmpty();
    });
  });
}

/** What `putNumbered` puts. */
export function numbered(count: number, from = 0): (TestCommand & { readonly payload: Numbered })[] {
  return upTo(count, from).map((n) => ({
    method: 'publish',
    payload: { n, partition: n % PARTITIONS },
    partition: n % PARTITIONS,
  }));
}
