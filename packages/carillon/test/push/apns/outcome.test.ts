import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AnswerContext, judge, judgeGoaway } from '../../../src/push/providers/apns/outcome.ts';
import { deviceToken } from './support.ts';

const context: AnswerContext = {
  section: 'apps.shop.apns',
  topic: 'com.example.app',
  deviceToken: deviceToken(7),
  tried: undefined,
  now: Date.UTC(2026, 0, 1),
};
const answer = (status: number, text: string, changes: Partial<AnswerContext> = {}, headers = {}) =>
  judge({ status, headers, text }, { ...context, ...changes });
const reasoned = (status: number, reason: string, changes: Partial<AnswerContext> = {}) =>
  answer(status, JSON.stringify({ reason }), changes);

describe('an answer of APNs', () => {
  const table: [number, string, string, string, string?][] = [
    [400, 'BadCollapseId', 'failed', 'bad_collapse_id'],
    [400, 'BadExpirationDate', 'failed', 'bad_expiration_date'],
    [400, 'BadMessageId', 'failed', 'bad_message_id'],
    [400, 'BadPriority', 'failed', 'bad_priority'],
    [400, 'InvalidPushType', 'failed', 'invalid_push_type'],
    [400, 'DuplicateHeaders', 'failed', 'duplicate_headers'],
    [400, 'PayloadEmpty', 'failed', 'payload_empty'],
    [400, 'MissingDeviceToken', 'failed', 'missing_device_token'],
    [400, 'BadDeviceToken', 'gone', 'bad_device_token', 'doubtful'],
    [400, 'DeviceTokenNotForTopic', 'gone', 'device_token_not_for_topic', 'doubtful'],
    [400, 'BadTopic', 'retry', 'bad_topic', 'topic'],
    [400, 'MissingTopic', 'retry', 'missing_topic', 'topic'],
    [400, 'TopicDisallowed', 'retry', 'topic_disallowed', 'topic'],
    [400, 'IdleTimeout', 'retry', 'idle_timeout', 'reconnect'],
    [403, 'BadCertificate', 'retry', 'bad_certificate', 'credential'],
    [403, 'BadCertificateEnvironment', 'retry', 'bad_certificate_environment', 'credential'],
    [403, 'ExpiredProviderToken', 'retry', 'expired_provider_token', 'refresh'],
    [403, 'InvalidProviderToken', 'retry', 'invalid_provider_token', 'credential'],
    [403, 'MissingProviderToken', 'retry', 'missing_provider_token', 'credential'],
    [403, 'Forbidden', 'retry', 'forbidden', 'credential'],
    [403, 'UnrelatedKeyIdInToken', 'retry', 'unrelated_key_id_in_token', 'reconnect'],
    [403, 'BadEnvironmentKeyIdInToken', 'retry', 'bad_environment_key_id_in_token', 'credential'],
    [403, 'BadEnvironmentKeyInToken', 'retry', 'bad_environment_key_id_in_token', 'credential'],
    [404, 'BadPath', 'failed', 'bad_path'],
    [405, 'MethodNotAllowed', 'failed', 'method_not_allowed'],
    [410, 'Unregistered', 'gone', 'unregistered'],
    [410, 'ExpiredToken', 'gone', 'expired_token'],
    [413, 'PayloadTooLarge', 'failed', 'payload_too_large'],
    [429, 'TooManyRequests', 'retry', 'too_many_requests'],
    [429, 'TooManyProviderTokenUpdates', 'retry', 'too_many_provider_token_updates', 'hold'],
    [500, 'InternalServerError', 'retry', 'internal_error'],
    [503, 'ServiceUnavailable', 'retry', 'unavailable'],
    [503, 'Shutdown', 'retry', 'shutdown', 'reconnect'],
    // Unknown ones are not believed to be about the device.
    [400, 'BadMoonPhase', 'failed', 'http_400'],
    [403, 'BadMoonPhase', 'failed', 'http_403'],
    [404, 'Unregistered', 'failed', 'http_404'],
    [410, 'BadMoonPhase', 'failed', 'http_410'],
    [410, 'BadDeviceToken', 'gone', 'bad_device_token'],
    [429, 'BadMoonPhase', 'retry', 'too_many_requests'],
    [408, 'BadMoonPhase', 'retry', 'http_408'],
    [501, 'BadMoonPhase', 'retry', 'http_501'],
    [400, 'constructor', 'failed', 'http_400'],
  ];
  for (const [status, reason, kind, code, effect] of table) {
    it(`with ${status} ${reason} means ${kind}, ${code}${effect ? `, ${effect}` : ''}`, () => {
      const { outcome, effect: found } = reasoned(status, reason);
      assert.deepEqual([outcome.kind, outcome.code, outcome.httpStatus, found], [kind, code, status, effect]);
      assert.match(outcome.reason!, new RegExp(`^APNs answered ${status}: ${reason}`));
      assert.equal(typeof outcome.retryAfterMs, kind === 'retry' ? 'number' : 'undefined');
    });
  }

  it('with 200 is accepted under the name that APNs gave it', () => {
    const headers = { 'apns-id': 'EC1BF194-B3B2-424A-89B3-5A918A6E6B0D' };
    assert.deepEqual(answer(200, '', {}, headers), {
      outcome: { kind: 'accepted', code: 'accepted', httpStatus: 200, id: headers['apns-id'] },
    });
  });

  it('with 410 says since when; without a reason that is known, the time alone is believed', () => {
    const since = 1_508_249_865_488;
    const { outcome } = answer(410, `{"reason":"Unregistered","timestamp":${since}}`);
    assert.deepEqual([outcome.kind, outcome.goneSince], ['gone', since]);
    const unknown = answer(410, `{"reason":"BadMoonPhase","timestamp":${since}}`);
    assert.deepEqual(
      [unknown.outcome.kind, unknown.outcome.code, unknown.outcome.goneSince],
      ['gone', 'unregistered', since],
    );
    assert.equal('goneSince' in answer(410, '{"reason":"Unregistered","timestamp":"x"}').outcome, false);
    assert.equal(
      'goneSince' in answer(400, `{"reason":"BadDeviceToken","timestamp":${since}}`).outcome,
      false,
    );
  });

  it('that is no JSON is told in its own words, one line, cut, without the device token', () => {
    const { outcome } = answer(502, `<html>\n<b>/3/device/${deviceToken(7)}</b> ${'x'.repeat(500)}`);
    assert.deepEqual([outcome.kind, outcome.code], ['retry', 'http_502']);
    assert.match(outcome.reason!, /^APNs answered 502: <html> <b>\/3\/device\/0000…<\/b> x+$/);
    assert.ok(outcome.reason!.length < 250);
    for (const text of ['', 'null', '[]', '7', '{"reason":7}'])
      assert.equal(answer(400, text).outcome.kind, 'failed');
  });

  it('with a redirect is not followed', () => {
    assert.deepEqual(answer(307, '').outcome.code, 'redirect');
    assert.deepEqual(answer(301, '').outcome.kind, 'failed');
  });

  it('that the operator has to mend names the options, and waits a minute', () => {
    const key = reasoned(403, 'InvalidProviderToken').outcome;
    assert.match(key.reason!, /push_notifications\.apps\.shop\.apns\.token_key_id/);
    assert.equal(key.retryAfterMs, 60_000);
    assert.match(
      reasoned(400, 'TopicDisallowed').outcome.reason!,
      /the topic is com\.example\.app: .*apns\.bundle_id/,
    );
    assert.match(reasoned(403, 'BadEnvironmentKeyInToken').outcome.reason!, /apns\.endpoint/);
    assert.match(reasoned(403, 'BadCertificate').outcome.reason!, /apns\.cert_p12_file/);
  });

  it('that comes again after another try at once is more than the fault of a connection', () => {
    const clock = reasoned(403, 'ExpiredProviderToken', { tried: 'refresh' });
    assert.equal(clock.effect, 'credential');
    assert.match(clock.outcome.reason!, /check the clock of this machine, it says 2026-01-01T00:00:00/);
    assert.equal(reasoned(403, 'ExpiredProviderToken', { tried: 'reconnect' }).effect, 'refresh');
    assert.equal(reasoned(403, 'UnrelatedKeyIdInToken', { tried: 'reconnect' }).effect, 'credential');
    assert.equal(reasoned(429, 'TooManyProviderTokenUpdates', { tried: 'hold' }).effect, 'quota');
    assert.equal(reasoned(503, 'Shutdown', { tried: 'reconnect' }).effect, 'reconnect');
  });

  it('waits by Retry-After where there is one, which a device that is gone has no use for', () => {
    const headers = { 'retry-after': '120' };
    const busy = answer(429, '{"reason":"TooManyRequests"}', {}, headers);
    assert.equal(busy.outcome.retryAfterMs, 120_000);
    assert.equal('retryAfterMs' in answer(410, '{"reason":"Unregistered"}', {}, headers).outcome, false);
  });
});

describe('the words of a GOAWAY', () => {
  it('explain a certificate that is wrong, and nothing else', () => {
    const verdict = judgeGoaway('{"reason":"BadCertificateEnvironment"}', context);
    assert.deepEqual([verdict?.effect, verdict?.outcome.kind], ['credential', 'retry']);
    for (const words of ['', '{"reason":"Shutdown"}', '{"reason":"IdleTimeout"}', 'too_many_pings']) {
      assert.equal(judgeGoaway(words, context), undefined);
    }
  });
});
