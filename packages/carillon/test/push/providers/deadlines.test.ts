import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Deadline, Deadlines } from '../../../src/push/providers/http/deadlines.ts';

describe('deadlines', () => {
  it('come each at its time, but for those that were removed', async () => {
    const deadlines = new Deadlines(20);
    const expired: [number, number][] = [];
    const last = Promise.withResolvers<void>();
    const add = (number: number, startedAt: number) => {
      class Numbered extends Deadline {
        readonly startedAt = startedAt;
        expire() {
          expired.push([number, performance.now() - startedAt]);
          if (number === 4) last.resolve();
        }
      }
      const deadline = new Numbered();
      deadlines.add(deadline);
      return deadline;
    };
    const now = performance.now();
    add(1, now - 15);
    deadlines.remove(add(2, now - 15));
    add(3, now);
    add(4, now + 5);
    // Its timer keeps no process alive; a test's does.
    const alive = setInterval(() => {}, 1_000);
    await last.promise;
    clearInterval(alive);
    assert.deepEqual(
      expired.map(([number]) => number),
      [1, 3, 4],
    );
    assert.ok(
      expired.every(([, after]) => after >= 20),
      `none before its time: ${JSON.stringify(expired)}`,
    );
  });
});
