import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { HistoryOptions, PublishOptions } from '../../src/realtime/broker.ts';
import { MemoryBroker } from '../../src/realtime/memory-broker.ts';
import { RawJson } from '../../src/realtime/payload.ts';

const HISTORY: HistoryOptions = { size: 5, ttl: 60_000, metaTtl: 600_000 };
const PLAIN: PublishOptions = { history: HISTORY, idempotencyKey: '', version: 0, versionEpoch: '' };
const ALL = { limit: -1, reverse: false };
const json = (value: unknown) => ({ data: RawJson.of(value) });

/** A broker whose clock is turned by hand. */
class Clock {
  now = 1_000_000;
  readonly broker = new MemoryBroker({ now: () => this.now });

  async publish(channel: string, value: unknown, options: Partial<PublishOptions> = {}) {
    return this.broker.publish(channel, json(value), { ...PLAIN, ...options });
  }

  async stored(channel: string, history = HISTORY): Promise<unknown[]> {
    const { publications } = await this.broker.history(channel, ALL, history);
    return publications.map(({ data, offset }) => [offset, JSON.parse((data as RawJson).text)]);
  }
}

suite('the broker in memory', () => {
  let clock: Clock;
  before(() => {
    clock = new Clock();
  });
  after(() => clock.broker.close());

  test('history reads as a plain list would, whatever was published, removed and asked for', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constant('publish' as const), fc.constant('remove' as const)), {
          maxLength: 20,
        }),
        fc.integer({ min: 1, max: 6 }),
        fc.record({
          since: fc.option(fc.integer({ min: 0, max: 22 }), { nil: undefined }),
          limit: fc.integer({ min: -1, max: 8 }),
          reverse: fc.boolean(),
        }),
        async (steps, size, { since, limit, reverse }) => {
          const channel = `list ${run++}`;
          const history = { ...HISTORY, size };
          let list: number[] = [];
          let top = 0;
          for (const step of steps) {
            if (step === 'remove') {
              list = [];
              await clock.broker.removeHistory(channel);
            } else {
              top += 1;
              list = [...list, top].slice(-size);
              await clock.publish(channel, top, { history });
            }
          }
          let wanted = list.filter((n) => since === undefined || (reverse ? n < since : n > since));
          if (reverse) wanted.reverse();
          if (limit >= 0) wanted = wanted.slice(0, limit);
          const { publications, offset } = await clock.broker.history(
            channel,
            { limit, reverse, ...(since !== undefined && { since: { offset: since, epoch: '' } }) },
            history,
          );
          assert.equal(offset, top);
          assert.deepEqual(
            publications,
            wanted.map((n) => ({ ...json(n), offset: n })),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a history that is allowed less than it has keeps the newest', async () => {
    for (let n = 1; n <= 7; n++) await clock.publish('shrinking', n);
    await clock.publish('shrinking', 8, { history: { ...HISTORY, size: 2 } });
    assert.deepEqual(await clock.stored('shrinking'), [
      [7, 7],
      [8, 8],
    ]);
  });

  test('an idempotency key is remembered for five minutes and no longer, with the position of then', async () => {
    const first = await clock.publish('key', 1, { idempotencyKey: 'k' });
    await clock.publish('key', 2);
    clock.now += 200_000;
    // Elsewhere the same key begins later, which does not make it live longer here.
    await clock.publish('key elsewhere', 1, { idempotencyKey: 'k' });
    clock.now += 99_999;
    await clock.broker.sweep();
    assert.deepEqual(await clock.publish('key', 3, { idempotencyKey: 'k' }), first);
    clock.now += 1;
    assert.equal((await clock.publish('key', 4, { idempotencyKey: 'k' }))?.offset, 3);
    assert.equal((await clock.publish('key elsewhere', 2, { idempotencyKey: 'k' }))?.offset, 1);
  });

  const waysOut: [string, (channel: string) => Promise<unknown>][] = [
    [
      'was pushed out',
      async (channel) => {
        for (let n = 0; n < 6; n++) await clock.publish(channel, n);
      },
    ],
    ['was removed', (channel) => clock.broker.removeHistory(channel)],
    [
      'has expired',
      async () => {
        clock.now += 60_001;
        await clock.broker.sweep();
      },
    ],
    ['was refused for its version', (channel) => clock.publish(channel, 0, { version: 9 })],
  ];
  for (const [what, leave] of waysOut) {
    test(`an idempotency key outlives its publication: one that ${what}`, async () => {
      const channel = `key ${what}`;
      const options = { idempotencyKey: `key ${what}`, version: 9 };
      if (what === 'was refused for its version') await leave(channel);
      const first = await clock.publish(channel, 1, options);
      if (what !== 'was refused for its version') await leave(channel);
      const { offset } = await clock.broker.history(channel, ALL, HISTORY);
      assert.deepEqual(await clock.publish(channel, 2, { ...options, version: 10 }), first);
      assert.equal((await clock.broker.history(channel, ALL, HISTORY)).offset, offset);
    });
  }

  test('a key that was published in the middle of a broadcast is found behind what the broadcast adds', async () => {
    const names = Array.from({ length: 60_000 }, (_, n) => `middle ${n}`);
    const last = names.at(-1) as string;
    let finished = false;
    const broadcast = clock.broker.publishMany(names, json('all'), PLAIN).then(() => {
      finished = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(finished, false, 'it did not give way');
    const first = await clock.publish(last, 'one', { idempotencyKey: 'middle' });
    await broadcast;
    assert.deepEqual(await clock.publish(last, 'one', { idempotencyKey: 'middle' }), first);
    assert.deepEqual(await clock.stored(last), [
      [1, 'one'],
      [2, 'all'],
    ]);
  });

  test('a stream that ended comes back under another epoch', async () => {
    const history = { ...HISTORY, metaTtl: 1_000 };
    const epochs = new Set<unknown>();
    for (let round = 0; round < 3; round++) {
      epochs.add((await clock.publish('ended', 1, { history }))?.epoch);
      clock.now += 1_001;
      if (round === 1) await clock.broker.sweep();
    }
    assert.equal(epochs.size, 3);
  });

  test('others have their turn while many channels get a message, and while many short lists do', async (t) => {
    const names = Array.from({ length: 100_000 }, (_, n) => `long ${n}`);
    let turns = 0;
    let running = true;
    const count = () => {
      turns += 1;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    t.after(() => {
      running = false;
    });
    await clock.broker.publishMany(names, json('m'), PLAIN);
    const long = turns;
    assert.ok(long > 1, `${long} turns`);
    for (let start = 0; start < names.length; start += 500)
      await clock.broker.publishMany(names.slice(start, start + 500), json('m'), PLAIN);
    assert.ok(turns - long > 1, `${turns - long} turns`);
  });

  test('a message to many channels costs a few bytes for each, its key included, and nothing once all has expired', async () => {
    const channels = 10_000;
    const own = new Clock();
    const names = Array.from({ length: channels }, (_, n) => `large ${n}`);
    const start = heapUsed();
    const messages = 40;
    /** Publishes to all of them so many times. @returns bytes that stay for each publication */
    const growth = async (history: HistoryOptions) => {
      const publish = (n: number) => {
        const idempotencyKey = `key ${n} of ${history.size}`;
        return own.broker.publishMany(names, json('x'.repeat(200)), { ...PLAIN, history, idempotencyKey });
      };
      await publish(0);
      const before = heapUsed();
      for (let n = 1; n <= messages; n++) await publish(n);
      return (heapUsed() - before) / channels / messages;
    };
    const kept = await growth({ size: 300, ttl: 600_000, metaTtl: 600_000 });
    assert.ok(kept < 24, `${kept.toFixed(1)} bytes for a publication in a history`);
    const plain = await growth({ size: 0, ttl: 0, metaTtl: 0 });
    assert.ok(plain < 24, `${plain.toFixed(1)} bytes for a key without history`);
    own.now += 600_001;
    await own.broker.sweep();
    const left = (heapUsed() - start) / channels;
    assert.ok(left < 50, `${left.toFixed(1)} bytes for a channel after all has expired`);
    await own.broker.close();
  });
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
