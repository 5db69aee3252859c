import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { fossilDelta } from '../../../src/realtime/delta/fossil.ts';
import { applyFossilDelta } from '../../support/fossil.ts';

/** A payload and what became of it: parts are cut out, moved, doubled and replaced. */
const revisions = fc
  .record({
    source: fc.uint8Array({ maxLength: 600 }),
    edits: fc.array(
      fc.record({
        at: fc.nat({ max: 600 }),
        cut: fc.nat({ max: 80 }),
        insert: fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 90 })),
        ),
      }),
      { maxLength: 5 },
    ),
  })
  .map(({ source, edits }) => {
    let target = Buffer.from(source);
    for (const { at, cut, insert } of edits) {
      const added = Array.isArray(insert) ? target.subarray(insert[0], insert[0] + insert[1]) : insert;
      target = Buffer.concat([target.subarray(0, at), added, target.subarray(at + cut)]);
    }
    return { source: Buffer.from(source), target };
  });

suite('Fossil deltas', () => {
  test('a delta makes the target out of the source, whatever bytes they are', () => {
    fc.assert(
      fc.property(revisions, fc.boolean(), ({ source, target }, isText) => {
        assert.deepEqual(applyFossilDelta(source, fossilDelta(source, target, isText)), target);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a delta of texts is text: no character is cut', () => {
    const text = fc.string({ unit: fc.constantFrom('ä', '€', '𝄞', 'a', '"', '\n'), maxLength: 200 });
    fc.assert(
      fc.property(text, text, text, (head, one, two) => {
        // Characters that share their first bytes: what is common ends in the middle of one.
        const source = Buffer.from(`${head}${one}é${head}`);
        const target = Buffer.from(`${head}${two}è${head}`);
        const delta = fossilDelta(source, target, true);
        assert.ok(isUtf8(delta));
        assert.deepEqual(applyFossilDelta(source, delta), target);
      }),
      { numRuns: 1_000 },
    );
    const [a, b] = [Buffer.from(`${'x'.repeat(20)}é`), Buffer.from(`${'x'.repeat(20)}è`)];
    assert.ok(!isUtf8(fossilDelta(a, b, false)), 'without care it would be cut');
  });

  test('a small change of a large document is a small delta, found again where parts have moved', () => {
    const lines = Array.from({ length: 200 }, (_, n) => `{"player":${n},"score":${n * 7919}}`);
    const source = Buffer.from(lines.join(','));
    const changed = Buffer.from(lines.with(100, '{"player":100,"score":0}').join(','));
    assert.ok(fossilDelta(source, changed, true).length < 60);
    const moved = Buffer.from([...lines.slice(120), ...lines.slice(0, 120)].join(','));
    assert.ok(fossilDelta(source, moved, true).length < 60);
  });

  test('a megabyte of one byte takes no longer than it must', () => {
    const source = Buffer.alloc(1_000_000, 'a');
    const target = Buffer.concat([Buffer.from('b'), Buffer.alloc(500_000, 'a'), Buffer.from('c'), source]);
    const started = performance.now();
    const delta = fossilDelta(source, target, true);
    assert.ok(performance.now() - started < 10_000);
    assert.deepEqual(applyFossilDelta(source, delta), target);
  });
});
