import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Latency } from '../../../src/push/providers/http/latency.ts';

describe('how soon a service answers', () => {
  it('is not known before its first answer', () => {
    assert.equal(new Latency().at(5_000, undefined), Number.POSITIVE_INFINITY);
  });

  it('is its quickest answer lately, however long others waited for this thread', () => {
    const latency = new Latency();
    latency.note(5_000, 5_004);
    latency.note(5_000, 5_030);
    assert.equal(latency.at(5_030, undefined), 4);
  });

  it('grows when for two seconds no answer was as quick', () => {
    const latency = new Latency();
    latency.note(5_000, 5_004);
    for (let now = 5_100; now <= 7_200; now += 100) latency.note(now - 40, now);
    assert.equal(latency.at(7_200, undefined), 40);
  });

  it('is the time since the last answer while something waits for one in vain', () => {
    const latency = new Latency();
    latency.note(5_000, 5_004);
    assert.equal(latency.at(5_040, 5_001), 4);
    assert.equal(latency.at(5_304, 5_001), 300);
    // What has begun only now waits for nothing yet.
    assert.equal(latency.at(5_304, 5_300), 4);
  });
});
