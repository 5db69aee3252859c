import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextInWindow } from '../../src/push/send/time-window.ts';

const DAY_MS = 86_400_000;
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
];
const at = (text: string) => Date.parse(text);
const next = (after: string, before: string, zone: string, now: string) =>
  new Date(nextInWindow({ after, before }, zone, at(now))).toISOString();

const timeOfDay = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));

test('inside the window it is now, outside it the next opening by the device’s own clock', () => {
  assert.equal(
    next('09:00:00', '21:00:00', 'Europe/Nicosia', '2026-11-24T12:00:00Z'),
    '2026-11-24T12:00:00.000Z',
  );
  assert.equal(
    next('09:00:00', '21:00:00', 'Europe/Nicosia', '2026-11-24T06:59:59Z'),
    '2026-11-24T07:00:00.000Z',
  );
  assert.equal(
    next('09:00:00', '21:00:00', 'Europe/Nicosia', '2026-11-24T19:00:00Z'),
    '2026-11-25T07:00:00.000Z',
  );
  assert.equal(
    next('09:00:00', '21:00:00', 'America/New_York', '2026-11-24T12:00:00Z'),
    '2026-11-24T14:00:00.000Z',
  );
});

test('a window that crosses midnight is open on both sides of it', () => {
  assert.equal(next('22:00:00', '06:00:00', 'UTC', '2026-11-24T23:00:00Z'), '2026-11-24T23:00:00.000Z');
  assert.equal(next('22:00:00', '06:00:00', 'UTC', '2026-11-24T05:59:59Z'), '2026-11-24T05:59:59.000Z');
  assert.equal(next('22:00:00', '06:00:00', 'UTC', '2026-11-24T06:00:00Z'), '2026-11-24T22:00:00.000Z');
});

test('an opening that the clocks leave out in spring is the first instant after the gap', () => {
  assert.equal(
    next('02:30:00', '05:00:00', 'Europe/Berlin', '2026-03-29T00:00:00Z'),
    '2026-03-29T01:00:00.000Z',
  );
});

test('a window that lies in the gap as a whole opens after it for its usual length', () => {
  assert.equal(
    next('02:10:00', '02:20:00', 'Europe/Berlin', '2026-03-29T00:30:00Z'),
    '2026-03-29T01:00:00.000Z',
  );
  assert.equal(
    next('02:10:00', '02:20:00', 'Europe/Berlin', '2026-03-29T01:09:59Z'),
    '2026-03-29T01:09:59.000Z',
  );
  assert.equal(
    next('02:10:00', '02:20:00', 'Europe/Berlin', '2026-03-29T01:10:00Z'),
    '2026-03-30T00:10:00.000Z',
  );
});

test('nine in the morning stays nine in the morning when the clocks change', () => {
  assert.equal(
    next('09:00:00', '10:00:00', 'Europe/Berlin', '2026-03-28T12:00:00Z'),
    '2026-03-29T07:00:00.000Z',
  );
  assert.equal(
    next('09:00:00', '10:00:00', 'Europe/Berlin', '2026-10-24T12:00:00Z'),
    '2026-10-25T08:00:00.000Z',
  );
});

test('an hour that is repeated in autumn is open both times', () => {
  assert.equal(
    next('02:00:00', '02:30:00', 'Europe/Berlin', '2026-10-25T00:10:00Z'),
    '2026-10-25T00:10:00.000Z',
  );
  assert.equal(
    next('02:00:00', '02:30:00', 'Europe/Berlin', '2026-10-25T00:40:00Z'),
    '2026-10-25T01:00:00.000Z',
  );
});

test('a day that a zone skips is no trap', () => {
  assert.equal(
    next('09:00:00', '10:00:00', 'Pacific/Apia', '2011-12-30T05:00:00Z'),
    '2011-12-30T19:00:00.000Z',
  );
});

test('in any zone at any time, the answer is not past, within two days, and its own answer', () => {
  const window = fc.tuple(timeOfDay, timeOfDay).filter(([after, before]) => after !== before);
  const instant = fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') });
  fc.assert(
    fc.property(window, fc.constantFrom(...ZONES), instant, ([after, before], zone, now) => {
      const opening = nextInWindow({ after, before }, zone, now);
      assert.ok(opening >= now && opening <= now + 2 * DAY_MS);
      assert.equal(nextInWindow({ after, before }, zone, opening), opening);
    }),
    { numRuns: 500 },
  );
});

test('away from changes of the clock, the local time of the answer lies in the window', () => {
  const window = fc.tuple(timeOfDay, timeOfDay).filter(([after, before]) => after < before);
  const instant = fc.integer({ min: at('2026-06-01T00:00:00Z'), max: at('2026-06-30T00:00:00Z') });
  fc.assert(
    fc.property(window, fc.constantFrom(...ZONES), instant, ([after, before], zone, now) => {
      const opening = nextInWindow({ after, before }, zone, now);
      const local = new Date(opening).toLocaleTimeString('en-GB', { timeZone: zone });
      assert.ok(after <= local && local < before, `${local} in ${after} to ${before}`);
    }),
  );
});
