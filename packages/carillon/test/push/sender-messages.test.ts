import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Outcome, Target } from '../../src/push/providers/provider.ts';
import {
  noAcceptances,
  packAcceptance,
  packTargets,
  unpackAcceptances,
  unpackTargets,
} from '../../src/push/worker/sender-messages.ts';

const text = fc.string();
const keys = fc.record(
  { p256dh: text, auth: text, vapid: text },
  { requiredKeys: ['p256dh', 'auth'], noNullPrototype: true },
);
const target = fc.record(
  { token: text, kind: fc.constantFrom('topic', 'condition'), keys },
  { requiredKeys: ['token'], noNullPrototype: true },
) as fc.Arbitrary<Target>;

const outcome = fc.record(
  {
    index: fc.nat(),
    kind: fc.constantFrom('accepted', 'retry', 'failed', 'gone'),
    code: fc.constantFrom('accepted', 'dry_run'),
    httpStatus: fc.nat(599),
    id: text,
    reason: text,
    retryAfterMs: fc.nat(),
    goneSince: fc.nat(),
  },
  { requiredKeys: ['index', 'kind', 'code'], noNullPrototype: true },
) as fc.Arbitrary<Outcome>;

describe('messages between the main thread and senders', () => {
  it('carry targets of every kind over as they are', () => {
    fc.assert(
      fc.property(fc.array(target), (targets) => {
        const unpacked = unpackTargets(structuredClone(packTargets(targets)));
        assert.equal(unpacked.length, targets.length);
        assert.deepEqual([...unpacked], targets);
      }),
    );
  });

  it('carry acceptances over as they are, and leave every other outcome alone', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), outcome)), (pairs) => {
        const packed = noAcceptances();
        const left = pairs.filter(([batch, one]) => !packAcceptance(packed, batch, one));
        const carried: [number, Outcome][] = [];
        unpackAcceptances(structuredClone(packed), (batch, one) => carried.push([batch, one]));
        const isPlain = ({ kind, code, ...rest }: Outcome) =>
          kind === 'accepted' &&
          code === 'accepted' &&
          Object.keys(rest).every((name) => ['index', 'httpStatus', 'id'].includes(name));
        assert.deepEqual(
          carried,
          pairs.filter(([, one]) => isPlain(one)),
        );
        assert.deepEqual(
          left,
          pairs.filter(([, one]) => !isPlain(one)),
        );
      }),
    );
  });
});
