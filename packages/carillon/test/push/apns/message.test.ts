import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '../../../src/errors.ts';
import { apnsRules } from '../../../src/push/providers/apns/index.ts';
import { prepareMessage } from '../../../src/push/providers/apns/message.ts';
import { apnsConfig, deviceToken } from './support.ts';

const rules = apnsRules(apnsConfig());
const certRules = apnsRules(apnsConfig({ auth_type: 'cert' }));
const prepare = (message: unknown) =>
  prepareMessage(message, 'notification.apns', { bundleId: 'com.example.app', authType: 'token' });

function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.code, 107);
    assert.match(error.message, message);
    return true;
  });
}

describe('a device token', () => {
  it('has one form, whatever its length and case', () => {
    for (const token of [deviceToken(1), 'AB'.repeat(80), 'ab'.repeat(50)]) {
      assert.deepEqual(rules.parseToken(token, 'token'), { token: token.toLowerCase() });
    }
  });

  for (const token of ['', 'abc', 'xyz', 'ab'.repeat(600), `${deviceToken(1)}/../x`, `${'ab'.repeat(20)}a`]) {
    it(`is refused with the field named: ${JSON.stringify(token.slice(0, 20))}, ${token.length} long`, () => {
      refuses(() => rules.parseToken(token, 'recipient.apns_tokens[3]'), /apns_tokens\[3\]: .* hexadecimal/);
    });
  }
});

describe('the push type', () => {
  const table: [string, object, string, string, string | undefined][] = [
    ['an alert', { aps: { alert: 'hi' } }, 'alert', 'com.example.app', undefined],
    ['a badge alone', { aps: { badge: 1 } }, 'alert', 'com.example.app', undefined],
    ['a sound alone', { aps: { sound: 'x' } }, 'alert', 'com.example.app', undefined],
    [
      'an alert that wakes the app',
      { aps: { alert: 'hi', 'content-available': 1 } },
      'alert',
      'com.example.app',
      undefined,
    ],
    ['what only wakes the app', { aps: { 'content-available': 1 } }, 'background', 'com.example.app', '5'],
    ['a payload of nothing', {}, 'alert', 'com.example.app', undefined],
    [
      'an update of a live activity',
      { aps: { event: 'update', 'content-state': {}, timestamp: 1 } },
      'liveactivity',
      'com.example.app.push-type.liveactivity',
      undefined,
    ],
  ];
  for (const [what, payload, type, topic, priority] of table) {
    it(`of ${what} is ${type}`, () => {
      const { headers } = prepare({ payload });
      assert.equal(headers['apns-push-type'], type);
      assert.equal(headers['apns-topic'], topic);
      assert.equal(headers['apns-priority'], priority);
    });
  }

  const suffixes: [string, string][] = [
    ['alert', ''],
    ['background', ''],
    ['voip', '.voip'],
    ['complication', '.complication'],
    ['fileprovider', '.pushkit.fileprovider'],
    ['location', '.location-query'],
    ['liveactivity', '.push-type.liveactivity'],
    ['widgets', '.push-type.widgets'],
    ['controls', '.push-type.controls'],
    ['pushtotalk', '.voip-ptt'],
  ];
  for (const [type, suffix] of suffixes) {
    it(`${type} gives the topic com.example.app${suffix}, and is told by it`, () => {
      const { headers } = prepare({ headers: { 'apns-push-type': type }, payload: {} });
      assert.equal(headers['apns-topic'], `com.example.app${suffix}`);
      if (suffix === '') return;
      const told = prepare({ headers: { 'apns-topic': `com.example.app${suffix}` }, payload: {} });
      assert.equal(told.headers['apns-push-type'], type);
    });
  }

  it('mdm needs a topic of its own', () => {
    refuses(
      () => prepare({ payload: { mdm: 'x' } }),
      /headers\.apns-topic: must be given with push type mdm/,
    );
    const { headers } = prepare({
      headers: { 'apns-topic': 'com.apple.mgmt.External.1' },
      payload: { mdm: 'x' },
    });
    assert.equal(headers['apns-push-type'], 'mdm');
  });
});

describe('a message', () => {
  it('passes its headers through, whatever their case, and drops what is no header of APNs', () => {
    const { headers, body } = prepare({
      headers: {
        'APNS-ID': '123e4567-e89b-12d3-a456-4266554400a0',
        'apns-expiration': 1_700_000_000,
        'apns-priority': 5,
        'apns-collapse-id': 'room-7',
        'apns-topic': 'com.example.other',
        authorization: 'bearer mine',
        'x-other': 'y',
        constructor: 'z',
        ['__proto__']: 'z',
      },
      payload: { aps: { alert: 'hé' }, room: 7 },
    });
    assert.deepEqual(headers, {
      'apns-id': '123e4567-e89b-12d3-a456-4266554400a0',
      'apns-expiration': '1700000000',
      'apns-priority': '5',
      'apns-collapse-id': 'room-7',
      'apns-topic': 'com.example.other',
      'apns-push-type': 'alert',
      'content-length': String(body.length),
    });
    assert.deepEqual(JSON.parse(body.toString()), { aps: { alert: 'hé' }, room: 7 });
  });

  it('is checked without being changed', () => {
    const message = { payload: { aps: { alert: 'hi' } } };
    assert.equal(rules.checkMessage(message, 'notification.apns'), message);
  });

  it('is accepted up to 4096 bytes of JSON, for voip up to 5120', () => {
    const payload = (bytes: number) => ({ a: 'x'.repeat(bytes - 8) });
    const headers = { 'apns-push-type': 'voip' };
    assert.ok(prepare({ payload: payload(4096) }));
    assert.ok(prepare({ headers, payload: payload(5120) }));
    refuses(
      () => prepare({ payload: payload(4097) }),
      /apns\.payload: must be at most 4096 bytes of JSON, got 4097/,
    );
    refuses(
      () => prepare({ headers, payload: payload(5121) }),
      /must be at most 5120 bytes of JSON, got 5121/,
    );
  });

  const broken: [unknown, RegExp][] = [
    ['x', /notification\.apns: must be an object/],
    [{}, /notification\.apns\.payload: must be a JSON object/],
    [{ payload: [] }, /notification\.apns\.payload: must be a JSON object/],
    [{ payload: {}, headers: [] }, /notification\.apns\.headers: must be an object/],
    [
      { payload: {}, headers: { 'apns-priority': 7 } },
      /headers\.apns-priority: must be one of 10, 5, 1, got 7/,
    ],
    [
      { payload: {}, headers: { 'apns-expiration': -1 } },
      /headers\.apns-expiration: must be a time in Unix seconds/,
    ],
    [
      { payload: {}, headers: { 'apns-expiration': 1_700_000_000_000 } },
      /apns-expiration: must be a time in Unix seconds/,
    ],
    [{ payload: {}, headers: { 'apns-id': 'ABC' } }, /headers\.apns-id: must be a UUID in lower case/],
    [
      { payload: {}, headers: { 'apns-push-type': 'alarm' } },
      /headers\.apns-push-type: must be one of alert, background/,
    ],
    [{ payload: {}, headers: { 'apns-topic': 'a b' } }, /headers\.apns-topic: must be a bundle id/],
    [
      { payload: {}, headers: { 'apns-collapse-id': 'é'.repeat(33) } },
      /headers\.apns-collapse-id: must be 1 to 64 bytes/,
    ],
    [
      { payload: {}, headers: { 'apns-collapse-id': 'a\r\nb' } },
      /headers\.apns-collapse-id: .*control characters/,
    ],
    [{ payload: {}, headers: { 'apns-collapse-id': '' } }, /headers\.apns-collapse-id/],
    [
      { payload: { aps: { 'content-available': 1 } }, headers: { 'APNS-Priority': '10' } },
      /headers\.apns-priority: must be 5 with push type background, got 10/,
    ],
  ];
  for (const [message, error] of broken) {
    it(`is refused with the field named: ${JSON.stringify(message).slice(0, 70)}`, () => {
      refuses(() => prepare(message), error);
    });
  }

  it('for locations needs token authentication', () => {
    const message = { headers: { 'apns-push-type': 'location' }, payload: {} };
    assert.ok(rules.checkMessage(message, 'notification.apns'));
    refuses(() => certRules.checkMessage(message, 'notification.apns'), /location needs auth_type token/);
  });
});

describe('a collapse id', () => {
  const withKey = (message: Record<string, unknown>) =>
    rules.withCollapseKey!(message, 'key-1') as {
      headers?: Record<string, unknown>;
    };

  it('is given to an alert that has none', () => {
    const message = { headers: { 'apns-priority': '5' }, payload: { aps: { alert: 'hi' } } };
    assert.deepEqual(withKey(message).headers, { 'apns-priority': '5', 'apns-collapse-id': 'key-1' });
    assert.equal(prepare(withKey(message)).headers['apns-collapse-id'], 'key-1');
  });

  it('of its own stays, and other push types get none', () => {
    for (const message of [
      { headers: { 'APNs-Collapse-Id': 'mine' }, payload: { aps: { alert: 'hi' } } },
      { payload: { aps: { 'content-available': 1 } } },
      { headers: { 'apns-push-type': 'voip' }, payload: { aps: { alert: 'hi' } } },
    ]) {
      assert.equal(withKey(message), message);
    }
  });
});
