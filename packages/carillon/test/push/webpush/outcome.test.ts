import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRetryAfter } from '../../../src/push/providers/http/retry-after.ts';
import { outcomeOf } from '../../../src/push/providers/webpush/outcome.ts';
import { adaptHeaders } from '../../../src/push/providers/webpush/service-quirks.ts';

const NOW = Date.UTC(2026, 0, 1);
const answer = (status: number, rest: { location?: string; retryAfter?: string; text?: string } = {}) =>
  outcomeOf({ status, text: '', ...rest }, 0, NOW);

describe('an answer of a push service', () => {
  const table: [number, string, string][] = [
    [200, 'accepted', 'accepted'],
    [201, 'accepted', 'accepted'],
    [202, 'accepted', 'accepted'],
    [301, 'failed', 'redirect'],
    [307, 'failed', 'redirect'],
    [400, 'failed', 'bad_request'],
    [401, 'failed', 'unauthorized'],
    [403, 'failed', 'forbidden'],
    [404, 'gone', 'unregistered'],
    [405, 'failed', 'http_405'],
    [406, 'retry', 'too_many_requests'],
    [408, 'retry', 'timeout'],
    [410, 'gone', 'unregistered'],
    [413, 'failed', 'payload_too_large'],
    [429, 'retry', 'too_many_requests'],
    [500, 'retry', 'internal_error'],
    [502, 'retry', 'bad_gateway'],
    [503, 'retry', 'unavailable'],
    [504, 'retry', 'gateway_timeout'],
    [599, 'retry', 'http_599'],
  ];
  for (const [status, kind, code] of table) {
    it(`with ${status} means ${kind}, ${code}`, () => {
      const outcome = answer(status);
      assert.deepEqual([outcome.kind, outcome.code, outcome.httpStatus], [kind, code, status]);
    });
  }

  it('names the message by the last part of Location', () => {
    assert.equal(answer(201, { location: 'https://updates.push.services.mozilla.com/m/gAAA' }).id, 'gAAA');
    assert.equal(answer(201, { location: '/m/1' }).id, '1');
    assert.equal('id' in answer(201), false);
  });

  it('is told in the words of the service, at most 200 characters of them', () => {
    const mozilla = '{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch"}';
    assert.equal(
      answer(401, { text: mozilla }).reason,
      'push service answered 401: VAPID public key mismatch',
    );
    assert.equal(
      answer(403, { text: '{"reason":"BadJwtToken"}' }).reason,
      'push service answered 403: BadJwtToken',
    );
    assert.equal(
      answer(410, { text: 'unsubscribed or\n expired.\n' }).reason,
      'push service answered 410: unsubscribed or expired.',
    );
    assert.equal(answer(500).reason, 'push service answered 500');
    assert.equal(
      answer(500, { text: 'x'.repeat(5000) }).reason!.length,
      'push service answered 500: '.length + 200,
    );
  });

  it("with Apple's IdleTimeout may pass", () => {
    assert.equal(answer(400, { text: '{"reason":"IdleTimeout"}' }).kind, 'retry');
  });

  it('carries Retry-After only where a retry follows', () => {
    assert.equal(answer(429, { retryAfter: '7' }).retryAfterMs, 7000);
    assert.equal('retryAfterMs' in answer(429), false);
    assert.equal('retryAfterMs' in answer(410, { retryAfter: '7' }), false);
  });
});

describe('Retry-After', () => {
  const table: [string | undefined, number | undefined][] = [
    ['120', 120_000],
    [' 5 ', 5_000],
    ['0', 1_000],
    ['999999', 3_600_000],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Thursday, 01-Jan-26 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 1_000],
    ['Fri, 02 Jan 2026 00:00:00 GMT', 3_600_000],
    ['soon', undefined],
    ['-5x', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [value, expected] of table) {
    it(`of ${JSON.stringify(value)} is ${expected} ms`, () =>
      assert.equal(parseRetryAfter(value, NOW), expected));
  }
});

describe('a service with wishes of its own', () => {
  it('gets them: a topic length that Apple takes, no caching at TTL 0 for Microsoft', () => {
    assert.equal(adaptHeaders('https://web.push.apple.com', { ttl: '1', topic: 'chat1' }).topic, 'chat1-');
    assert.equal(adaptHeaders('https://web.push.apple.com', { ttl: '1', topic: 'chat' }).topic, 'chat');
    assert.equal(adaptHeaders('https://fcm.googleapis.com', { ttl: '1', topic: 'chat1' }).topic, 'chat1');
    const microsoft = 'https://wns2-par02p.notify.windows.com';
    assert.equal(adaptHeaders(microsoft, { ttl: '0' })['x-wns-cache-policy'], 'no-cache');
    assert.equal('x-wns-cache-policy' in adaptHeaders(microsoft, { ttl: '1' }), false);
  });
});
