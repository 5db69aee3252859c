import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hmsRules } from '../../../src/push/providers/hms/index.ts';

const rules = hmsRules({
  app_id: '1',
  app_secret: 's',
  auth_endpoint: '',
  push_endpoint: '',
  tokens_batch_size: 1000,
});
const check = (message: unknown) => rules.checkMessage({ message }, 'notification.hms');
const code107 = (words: RegExp) => (error: { code?: number; message: string }) => {
  assert.equal(error.code, 107);
  assert.match(error.message, words);
  return true;
};

describe('the check of a message for HMS', () => {
  it('passes a message through as it was given', () => {
    const block = {
      message: {
        data: '{"room":"7"}',
        notification: { title: 'Hello', body: 'you' },
        android: {
          collapse_key: -1,
          urgency: 'HIGH',
          ttl: '86400s',
          notification: { click_action: { type: 3 }, badge: { add_num: 1 } },
        },
        webpush: { headers: { ttl: '60' } },
        apns: { headers: {}, payload: {} },
        future_member: 1,
      },
    };
    assert.equal(rules.checkMessage(block, 'notification.hms'), block);
  });

  const wrong: [message: unknown, words: RegExp][] = [
    [undefined, /notification\.hms\.message: must be an object/],
    [{ token: ['x'] }, /notification\.hms\.message\.token: must not be given/],
    [{ topic: 'x' }, /notification\.hms\.message\.topic: must not be given/],
    [{ condition: 'x' }, /notification\.hms\.message\.condition: must not be given/],
    [{ data: { a: 'b' } }, /message\.data: must be one string .*JSON text.*got \{"a":"b"\}/],
    [{ android: { data: 7 } }, /message\.android\.data: must be one string/],
    [
      { android: { collapse_key: 101 } },
      /message\.android\.collapse_key: must be a whole number from -1 .*got 101/,
    ],
    [{ android: { collapse_key: 'x' } }, /collapse_key: .*got "x"/],
    [{ android: { ttl: '1296001s' } }, /message\.android\.ttl: .*"1296000s", got "1296001s"/],
    [{ android: { ttl: 60 } }, /message\.android\.ttl: must be seconds as text.*got 60/],
    [{ android: { urgency: 'high' } }, /message\.android\.urgency: must be HIGH or NORMAL, got "high"/],
    [{ android: { notification: {} } }, /android\.notification\.click_action: must be an object with type 1/],
    [{ android: { notification: { click_action: { type: 4 } } } }, /click_action: .*got \{"type":4\}/],
    [{ webpush: { headers: { ttl: 60 } } }, /message\.webpush\.headers\.ttl: must be a string, got 60/],
    [{ notification: 'x' }, /message\.notification: must be an object/],
  ];
  for (const [message, words] of wrong) {
    it(`refuses ${JSON.stringify(message)} and names the member`, () => {
      assert.throws(() => check(message), code107(words));
    });
  }

  it('counts 4096 bytes of JSON', () => {
    const of = (bytes: number) => ({ data: 'x'.repeat(bytes - '{"data":""}'.length) });
    check(of(4_096));
    assert.throws(() => check(of(4_097)), code107(/message: must be at most 4096 bytes of JSON, got 4097/));
  });

  it('refuses a message that would exhaust the stack', () => {
    let deep: unknown = 'x';
    for (let level = 0; level < 50_000; level++) deep = [deep];
    assert.throws(() => check({ apns: { payload: deep } }), code107(/nested at most/));
  });
});

describe('the collapse key of a message for HMS', () => {
  const marked = (message: Record<string, unknown>) => rules.withCollapseKey!({ message }, 'KEY').message;

  it('is the tag of the notification, and a header where there are any', () => {
    const click_action = { type: 3 };
    assert.deepEqual(
      marked({ android: { notification: { click_action } }, webpush: {}, apns: { headers: { a: 'b' } } }),
      {
        android: { notification: { tag: 'KEY', click_action } },
        webpush: { headers: { topic: 'KEY' } },
        apns: { headers: { 'apns-collapse-id': 'KEY', a: 'b' } },
      },
    );
  });

  it('gives way to keys of its own, and adds no part for a platform', () => {
    const message = {
      android: { notification: { tag: 'own' } },
      webpush: { headers: { topic: 'own' } },
      apns: { headers: { 'apns-collapse-id': 'own' } },
    };
    assert.deepEqual(marked(message), message);
    assert.deepEqual(marked({ data: 'x', android: { ttl: '1s' } }), { data: 'x', android: { ttl: '1s' } });
  });

  it('leaves a full message as it is', () => {
    const block = { message: { data: 'x'.repeat(4_060), webpush: {} } };
    assert.equal(rules.withCollapseKey!(block, 'KEY'), block);
  });
});

describe('an address of HMS', () => {
  it('is a token of visible ASCII', () => {
    assert.deepEqual(rules.parseToken('IQAAAACy0_-', 'token'), { token: 'IQAAAACy0_-' });
    assert.throws(
      () => rules.parseToken('a b', 'recipient.hms_tokens[0]'),
      code107(/recipient\.hms_tokens\[0\]: must be/),
    );
  });

  it('is a topic, of Chinese, too, or a condition', () => {
    assert.deepEqual(rules.parseNative!('topic', '新闻_1', 'f'), { token: '新闻_1', kind: 'topic' });
    assert.throws(
      () => rules.parseNative!('topic', '/topics/a', 'recipient.hms_topic'),
      code107(/recipient\.hms_topic: a topic/),
    );
    const condition = "'新闻' in topics || 'a' in topics";
    assert.deepEqual(rules.parseNative!('condition', condition, 'f'), {
      token: condition,
      kind: 'condition',
    });
    assert.throws(() => rules.parseNative!('condition', "'a' in", 'f'), code107(/is missing/));
  });
});
