import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fcmRules } from '../../../src/push/providers/fcm/index.ts';
import type { ProviderMessage } from '../../../src/push/providers/provider.ts';

const rules = fcmRules({ credentials_file: '', credentials_json: '', endpoint: '', tokens_batch_size: 500 });
const check = (message: unknown, kind?: 'tokens' | 'topic' | 'condition') =>
  rules.checkMessage({ message }, 'notification.fcm', kind);
const code107 = (words: RegExp) => (error: { code?: number; message: string }) => {
  assert.equal(error.code, 107);
  assert.match(error.message, words);
  return true;
};

describe('the check of a message for FCM', () => {
  it('passes a message through as it was given', () => {
    const block = {
      message: {
        notification: { title: 'Hello', body: 'you', image: 'https://example.com/a.png' },
        data: { room: '7' },
        android: { ttl: '3.5s', priority: 'high', collapse_key: 'a', notification: { tag: 't' } },
        apns: { headers: { 'apns-priority': '5' }, payload: { aps: { 'content-available': 1 } } },
        webpush: {
          headers: { TTL: '15' },
          notification: { actions: [] },
          fcm_options: { link: 'http://localhost:9000/rooms/7' },
        },
        fcmOptions: { analyticsLabel: 'x' },
        future_member: [1, 2],
      },
    };
    assert.equal(rules.checkMessage(block, 'notification.fcm'), block);
  });

  const wrong: [message: unknown, words: RegExp][] = [
    [undefined, /notification\.fcm\.message: must be an object/],
    [[], /notification\.fcm\.message: must be an object/],
    [{ token: 'x' }, /notification\.fcm\.message\.token: must not be given/],
    [{ fid: 'x' }, /notification\.fcm\.message\.fid: must not be given/],
    [{ topic: 'x' }, /notification\.fcm\.message\.topic: must not be given/],
    [{ condition: 'x' }, /notification\.fcm\.message\.condition: must not be given/],
    [{ data: { foo: 7 } }, /notification\.fcm\.message\.data\.foo: must be a string, got 7/],
    [{ data: 'x' }, /notification\.fcm\.message\.data: must be an object, got "x"/],
    [{ data: { from: 'x' } }, /message\.data\.from: is a key that FCM keeps for itself/],
    [{ data: { 'google.x': 'x' } }, /message\.data\.google\.x: is a key/],
    [{ data: { 'gcm.notification.x': 'x' } }, /message\.data\.gcm\.notification\.x: is a key/],
    [{ android: { data: { message_type: 'x' } } }, /message\.android\.data\.message_type: is a key/],
    [{ webpush: { data: { n: true } } }, /message\.webpush\.data\.n: must be a string, got true/],
    [{ notification: { title: 5 } }, /message\.notification\.title: must be a string, got 5/],
    [{ notification: 'hello' }, /message\.notification: must be an object/],
    [{ android: { ttl: 60 } }, /message\.android\.ttl: must be seconds with an s.*got 60/],
    [{ android: { ttl: '2419201s' } }, /message\.android\.ttl: .*2419200s/],
    [{ android: { priority: 'urgent' } }, /message\.android\.priority: must be NORMAL or HIGH, got "urgent"/],
    [
      { apns: { headers: { 'apns-priority': 5 } } },
      /message\.apns\.headers\.apns-priority: must be a string/,
    ],
    [{ apns: { payload: 'x' } }, /message\.apns\.payload: must be an object/],
    [{ webpush: { headers: { TTL: 15 } } }, /message\.webpush\.headers\.TTL: must be a string, got 15/],
  ];
  for (const [message, words] of wrong) {
    it(`refuses ${JSON.stringify(message)} and names the member`, () => {
      assert.throws(() => check(message), code107(words));
    });
  }

  it('refuses a block that is no object', () => {
    assert.throws(
      () => rules.checkMessage('x', 'notification.fcm'),
      code107(/notification\.fcm: must be an object/),
    );
  });

  it('counts keys and values in bytes: 4096 to tokens, 2048 to topics and conditions', () => {
    const of = (bytes: number) => ({ data: { k: 'ä'.repeat((bytes - 1) / 2) } });
    check(of(4095));
    assert.throws(
      () => check(of(4097)),
      code107(/message: must be at most 4096 bytes of keys and values, got 4097/),
    );
    check(of(2047), 'topic');
    assert.throws(
      () => check(of(2049), 'topic'),
      code107(/at most 2048 bytes .* to a topic or condition, got 2049/),
    );
    assert.throws(() => check(of(2049), 'condition'), code107(/2048/));
  });

  it("counts each platform's own part beside what is for all, not the parts together", () => {
    const text = 'x'.repeat(2_000);
    check({ data: { k: text }, android: { data: { k: text } }, webpush: { data: { k: text } } });
    assert.throws(
      () => check({ data: { k: text }, apns: { payload: { a: text, b: text } } }),
      code107(/4096/),
    );
  });

  it('refuses a message that would exhaust the stack', () => {
    let deep: unknown = 'x';
    for (let level = 0; level < 50_000; level++) deep = [deep];
    assert.throws(() => check({ apns: { payload: { deep } } }), code107(/nested at most/));
  });
});

describe('the collapse key of a message for FCM', () => {
  const marked = (message: Record<string, unknown>) =>
    rules.withCollapseKey!({ message }, 'KEY').message as Record<string, Record<string, unknown>>;

  it('lets a second copy replace the first on each platform', () => {
    assert.deepEqual(marked({ notification: { title: 'x' } }), {
      notification: { title: 'x' },
      android: { notification: { tag: 'KEY' } },
      apns: { headers: { 'apns-collapse-id': 'KEY' } },
      webpush: { headers: { Topic: 'KEY' } },
    });
  });

  it('makes no notification out of a data message', () => {
    assert.equal(marked({ data: { a: 'b' } }).android, undefined);
    assert.deepEqual(marked({ data: { a: 'b' }, android: { priority: 'HIGH' } }).android, {
      priority: 'HIGH',
    });
  });

  it('gives way to keys of its own', () => {
    const message = {
      notification: {},
      android: { notification: { tag: 'own' } },
      apns: { headers: { 'APNS-Collapse-Id': 'own' } },
      webpush: { headers: { topic: 'own' } },
    };
    assert.deepEqual(marked(message), message);
  });

  it('never is a collapse_key of Android, of which a device has four', () => {
    assert.equal(marked({ notification: {} }).android!.collapse_key, undefined);
  });

  it('leaves live activities alone', () => {
    assert.deepEqual(marked({ apns: { live_activity_token: 't' } }).apns, { live_activity_token: 't' });
  });

  it('leaves a full message as it is, for topics, too', () => {
    for (const size of [4_090, 2_040]) {
      const block: ProviderMessage = { message: { notification: { body: 'x'.repeat(size) } } };
      assert.equal(rules.withCollapseKey!(block, 'KEY'), block);
    }
  });
});

describe('an address of FCM', () => {
  it('is a token of visible ASCII', () => {
    assert.deepEqual(rules.parseToken('cAbc-1:APA91b_x', 'token'), { token: 'cAbc-1:APA91b_x' });
    for (const bad of ['', 'a b', 'a"b', 'a\\b', 'ä', 'x'.repeat(4_097)]) {
      assert.throws(
        () => rules.parseToken(bad, 'recipient.fcm_tokens[1]'),
        code107(/recipient\.fcm_tokens\[1\]: must be/),
      );
    }
  });

  it('is not told again when it is refused', () => {
    assert.throws(
      () => rules.parseToken('secret secret', 'token'),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  it('is a topic, with or without the prefix of the SDKs', () => {
    assert.deepEqual(rules.parseNative!('topic', 'news-1_~%.a', 'f'), {
      token: 'news-1_~%.a',
      kind: 'topic',
    });
    assert.deepEqual(rules.parseNative!('topic', '/topics/news', 'f'), { token: 'news', kind: 'topic' });
    for (const bad of ['', 'a b', '/topics/', 'a/b', 'ä', 'x'.repeat(901)]) {
      assert.throws(
        () => rules.parseNative!('topic', bad, 'recipient.fcm_topic'),
        code107(/recipient\.fcm_topic: a topic must be/),
      );
    }
  });

  it('is a condition, whose topics are checked', () => {
    const condition = "'a' in topics && ('b' in topics || 'c' in topics)";
    assert.deepEqual(rules.parseNative!('condition', condition, 'f'), {
      token: condition,
      kind: 'condition',
    });
    assert.throws(
      () => rules.parseNative!('condition', "'a b' in topics", 'f'),
      code107(/f: a topic must be.*"a b"/),
    );
  });
});
