import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gate } from '../../../src/push/providers/gate.ts';

const QUOTA = { code: 'quota_exceeded', reason: 'FCM answered 429' };

/** A gate with a clock that stands until it is moved. */
function gateAt(options: { rampFrom?: number; waitMs?: number } = {}) {
  const time = { now: 1_000_000 };
  const closing = new AbortController();
  const gate = new Gate({ waitMs: 60_000, signal: closing.signal, clock: () => time.now, ...options });
  /** How many of single sends get through now. */
  const through = async (most: number): Promise<number> => {
    let count = 0;
    for (; count < most; count++) {
      const passing = gate.pass();
      const waits = Symbol('waits');
      const turn = new Promise<symbol>((resolve) => setImmediate(resolve, waits));
      if ((await Promise.race([passing, turn])) !== undefined) {
        passing.catch(() => {});
        break;
      }
    }
    return count;
  };
  return { gate, time, closing, through };
}

describe('a gate', () => {
  it('lets everybody through when open, and refuses nobody', async () => {
    const { gate, through, closing } = gateAt();
    assert.equal(gate.tryPass(), true);
    assert.equal(await through(500), 500);
    assert.equal(gate.refusal(), undefined);
    closing.abort();
  });

  it('refuses everybody at once while it is shut, with the code, the words and the time that is left', async () => {
    const { gate, time } = gateAt();
    gate.shut(QUOTA);
    time.now += 15_000;
    assert.equal(gate.tryPass(), false);
    assert.deepEqual(await gate.pass(), {
      kind: 'retry',
      code: 'quota_exceeded',
      reason: 'not sent: FCM answered 429',
      retryAfterMs: 45_000,
      isHeld: true,
    });
  });

  it('is shut for as long as the service says', () => {
    const { gate, time } = gateAt();
    gate.shut({ ...QUOTA, retryAfterMs: 5_000 });
    assert.equal(gate.refusal()!.retryAfterMs, 5_000);
    time.now += 5_000;
    assert.equal(gate.refusal(), undefined);
  });

  it('is not shut for longer by what comes back from before, but by a later time of the service', () => {
    const { gate, time } = gateAt();
    gate.shut(QUOTA);
    time.now += 10_000;
    gate.shut(QUOTA);
    assert.equal(gate.refusal()!.retryAfterMs, 50_000);
    gate.shut({ ...QUOTA, retryAfterMs: 20_000 });
    assert.equal(gate.refusal()!.retryAfterMs, 50_000);
    gate.shut({ ...QUOTA, retryAfterMs: 90_000 });
    assert.equal(gate.refusal()!.retryAfterMs, 90_000);
  });

  it('begins with a tenth of the usual rate after it, and is back to the whole in a minute', async () => {
    const { gate, time, closing, through } = gateAt();
    // 1 000 a second for ten seconds.
    for (let second = 0; second <= 10; second++) {
      for (let send = 0; send < 1_000; send++) gate.tryPass();
      time.now += 1_000;
    }
    gate.shut(QUOTA);
    time.now += 60_000;
    assert.equal(gate.tryPass(), false);
    assert.equal(await through(10), 0);
    time.now += 1_000;
    const first = await through(2_000);
    assert.ok(first >= 90 && first <= 130, `${first} in the first second`);
    time.now += 30_000;
    const middle = await through(2_000);
    assert.ok(middle >= 450 && middle <= 650, `${middle} in the middle`);
    time.now += 29_001;
    assert.equal(await through(5_000), 5_000);
    closing.abort();
  });

  it('begins with the share that it is told', async () => {
    const { gate, time, closing, through } = gateAt({ rampFrom: 0.5, waitMs: 5_000 });
    for (let second = 0; second <= 10; second++) {
      for (let send = 0; send < 100; send++) gate.tryPass();
      time.now += 1_000;
    }
    gate.shut(QUOTA);
    time.now += 6_000;
    const first = await through(200);
    assert.ok(first >= 45 && first <= 60, `${first} in the first second`);
    closing.abort();
  });

  it('counts what a request carries, before and while it ramps', async () => {
    const { gate, time, closing, through } = gateAt();
    for (let second = 0; second <= 10; second++) {
      gate.tryPass(1_000);
      time.now += 1_000;
    }
    gate.shut(QUOTA);
    time.now += 61_000;
    assert.equal(await gate.pass(1_000), undefined);
    // The thousand has to be earned before anybody else passes.
    time.now += 2_000;
    assert.equal(await through(1), 0);
    closing.abort();
  });

  it('waits twice as long, and begins with half the share, when it is shut again while it ramps', async () => {
    const { gate, time, closing, through } = gateAt({ rampFrom: 0.5 });
    for (let second = 0; second <= 10; second++) {
      for (let send = 0; send < 100; send++) gate.tryPass();
      time.now += 1_000;
    }
    gate.shut(QUOTA);
    time.now += 61_000;
    gate.shut(QUOTA);
    assert.equal(gate.refusal()!.retryAfterMs, 120_000);
    time.now += 121_000;
    const first = await through(200);
    assert.ok(first >= 20 && first <= 32, `${first} in the first second`);
    // A ramp that was left in peace counts for nothing.
    time.now += 60_000;
    gate.shut(QUOTA);
    assert.equal(gate.refusal()!.retryAfterMs, 60_000);
    closing.abort();
  });

  it('lets those who wait go when it is given up', async () => {
    const { gate, time, closing } = gateAt();
    gate.shut(QUOTA);
    time.now += 60_000;
    const waiting = gate.pass();
    closing.abort(new Error('closing'));
    await assert.rejects(waiting);
  });
});
