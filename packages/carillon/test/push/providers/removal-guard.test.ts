import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outcome } from '../../../src/push/providers/provider.ts';
import { RemovalGuard } from '../../../src/push/providers/removal-guard.ts';

const doubtful = (count: number): Outcome[] =>
  Array.from({ length: count }, (_, index) => ({
    index,
    kind: 'gone',
    code: 'invalid_token',
    reason: 'bad',
  }));
const kinds = (outcomes: readonly Outcome[]) => [...new Set(outcomes.map(({ kind }) => kind))];

describe('a guard against removing devices for our own mistake', () => {
  it('believes nobody before anything was accepted', () => {
    const [outcome] = new RemovalGuard().settle(doubtful(1), 0);
    assert.equal(outcome!.kind, 'failed');
    assert.match(outcome!.reason!, /^bad; the device is kept/);
    assert.equal(outcome!.code, 'invalid_token');
  });

  it('believes a few when as many others were accepted lately', () => {
    const guard = new RemovalGuard();
    guard.accept(3);
    assert.deepEqual(kinds(guard.settle(doubtful(3), 0)), ['gone']);
    assert.deepEqual(kinds(guard.settle(doubtful(1), 0)), ['failed']);
  });

  it('believes many only beside as many accepted in the same batch', () => {
    const guard = new RemovalGuard();
    guard.accept(150);
    assert.deepEqual(kinds(guard.settle(doubtful(40), 39)), ['failed']);
    assert.deepEqual(kinds(guard.settle(doubtful(40), 40)), ['gone']);
  });

  it('forgets what was long ago', () => {
    const guard = new RemovalGuard();
    guard.accept(1_000_000);
    // With a wrong key since yesterday, the successes of last year must not empty the table.
    let removed = 0;
    for (let batch = 0; batch < 500; batch++) {
      removed += guard.settle(doubtful(1), 0).filter(({ kind }) => kind === 'gone').length;
      guard.accept(0);
    }
    assert.ok(removed < 500, `${removed} of 500 were removed`);
  });

  it('has nothing to say of nobody', () => {
    assert.deepEqual(new RemovalGuard().settle([], 0), []);
  });
});
