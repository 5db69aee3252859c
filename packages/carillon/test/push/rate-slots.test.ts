import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketOf } from '../../src/push/send/rate-bucket.ts';
import { earliestSlot, insertHit } from '../../src/push/send/rate-slots.ts';

interface Policy {
  rate: number;
  intervalMs: number;
}

const policies = fc.array(
  fc.record({ rate: fc.integer({ min: 1, max: 4 }), intervalMs: fc.integer({ min: 1, max: 50 }) }),
  {
    minLength: 1,
    maxLength: 3,
  },
);
const requests = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 25 });

/** By the letter: no half-open window of the interval has more than `rate` hits. */
function keeps(hits: readonly number[], { rate, intervalMs }: Policy): boolean {
  return hits.every((start) => hits.filter((hit) => hit >= start && hit < start + intervalMs).length <= rate);
}

test('whatever is asked in whatever order, no window ever has more pushes than a policy allows', () => {
  fc.assert(
    fc.property(policies, requests, (rules, times) => {
      const hits: number[] = [];
      for (const from of times) {
        const slot = earliestSlot(hits, rules, from);
        assert.ok(slot >= from);
        insertHit(hits, slot);
      }
      assert.ok(rules.every((rule) => keeps(hits, rule)));
    }),
  );
});

test('no earlier time would have done', () => {
  fc.assert(
    fc.property(policies, requests, fc.integer({ min: 0, max: 200 }), (rules, times, from) => {
      const hits: number[] = [];
      for (const time of times) insertHit(hits, earliestSlot(hits, rules, time));
      const slot = earliestSlot(hits, rules, from);
      for (let earlier = from; earlier < slot; earlier++) {
        const tried = [...hits, earlier].sort((a, b) => a - b);
        assert.ok(!rules.every((rule) => keeps(tried, rule)), `${earlier} is before ${slot}`);
      }
    }),
  );
});

test('one a minute and ten an hour: the second waits a minute, the eleventh for the hour to end', () => {
  const rules = [
    { rate: 1, intervalMs: 60_000 },
    { rate: 10, intervalMs: 3_600_000 },
  ];
  const hits: number[] = [];
  for (let push = 0; push < 11; push++) insertHit(hits, earliestSlot(hits, rules, 0));
  assert.deepEqual(hits, [...Array.from({ length: 10 }, (_, n) => n * 60_000), 3_600_000]);
});

test('a slot that is reserved for tomorrow does not hold up today', () => {
  assert.equal(earliestSlot([86_400_000], [{ rate: 1, intervalMs: 60_000 }], 0), 0);
});

test('a bucket is the device by default, else what the key makes of device and user, in either notation', () => {
  const device = { id: 'webpush-1', user: 'ann' };
  assert.equal(bucketOf('', device), 'device:webpush-1');
  assert.equal(bucketOf('promo-{{.device.user}}', device), 'key:promo-ann');
  assert.equal(bucketOf('promo-{device.id}', device), 'key:promo-webpush-1');
  assert.equal(bucketOf('all', device), 'key:all');
  assert.notEqual(
    bucketOf('', { id: 'x', user: '' }),
    bucketOf('x', device),
    'no key can name a device’s own',
  );
});
