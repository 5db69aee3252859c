import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '../../../src/errors.ts';
import { webPushRules } from '../../../src/push/providers/webpush/index.ts';
import { Browser, webPushConfig } from './support.ts';

const browser = new Browser();
const rules = webPushRules(webPushConfig());
const anyOrigin = webPushRules(webPushConfig({ allowed_endpoint_origins: ['*'] }));
const GOOGLE = 'https://fcm.googleapis.com/fcm/send/abc:APA91b';

function subscription(endpoint: unknown, keys: unknown = browser.keys): string {
  return JSON.stringify({ endpoint, expirationTime: null, keys });
}

function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, 107);
    assert.match(error.message, message);
    return true;
  });
}

describe('a subscription', () => {
  it('is read from JSON text, other members ignored', () => {
    assert.deepEqual(rules.parseToken(subscription(GOOGLE), 'token'), { token: GOOGLE, keys: browser.keys });
  });

  it('may carry keys in padded or standard base64, which are kept as base64url', () => {
    const keys = {
      p256dh: browser.keyPair.getPublicKey('base64'),
      auth: browser.auth.toString('base64'),
    };
    assert.deepEqual(rules.parseToken(subscription(GOOGLE, keys), 'token').keys, browser.keys);
  });

  const point = browser.keyPair.getPublicKey();
  const offCurve = Buffer.from(point);
  offCurve[40]! ^= 1;
  const broken: [string, string, RegExp][] = [
    ['text that is no JSON', '{', /token: must be a PushSubscription as JSON text/],
    ['JSON that is no object', '"x"', /token: must be a PushSubscription/],
    ['an oversized one', `"${'x'.repeat(5000)}"`, /token: .* at most 4096 characters, got 5002/],
    ['no endpoint', subscription(undefined), /token\.endpoint: must be a URL/],
    ['an endpoint that is no URL', subscription('push'), /token\.endpoint: must be a URL/],
    ['no keys', JSON.stringify({ endpoint: GOOGLE }), /token\.keys: must be an object/],
    [
      'no p256dh',
      subscription(GOOGLE, { auth: browser.keys.auth }),
      /token\.keys\.p256dh: must be base64url of 65/,
    ],
    [
      'a short p256dh',
      subscription(GOOGLE, { ...browser.keys, p256dh: 'BAAA' }),
      /token\.keys\.p256dh: .*65 bytes/,
    ],
    [
      'a compressed p256dh',
      subscription(GOOGLE, { ...browser.keys, p256dh: Buffer.alloc(65, 2).toString('base64url') }),
      /token\.keys\.p256dh: .*0x04/,
    ],
    [
      'a p256dh off the curve',
      subscription(GOOGLE, { ...browser.keys, p256dh: offCurve.toString('base64url') }),
      /token\.keys\.p256dh: is not a point of the curve P-256/,
    ],
    [
      'a foreign alphabet',
      subscription(GOOGLE, { ...browser.keys, auth: '!'.repeat(22) }),
      /token\.keys\.auth: /,
    ],
    [
      'a short auth',
      subscription(GOOGLE, { ...browser.keys, auth: 'AAAA' }),
      /token\.keys\.auth: .*16 bytes/,
    ],
    ['keys of a wrong type', subscription(GOOGLE, { p256dh: 1, auth: 2 }), /token\.keys\.p256dh/],
  ];
  for (const [what, token, message] of broken) {
    it(`is refused with the field named: ${what}`, () =>
      refuses(() => rules.parseToken(token, 'token'), message));
  }
});

describe('an endpoint', () => {
  for (const endpoint of [
    GOOGLE,
    'https://web.push.apple.com/QGxlZ2Fs',
    'https://api.eu.push.apple.com/x',
    'https://wns2-par02p.notify.windows.com/w/?token=BQYAAAB%2fx%2B',
    'https://updates.push.services.mozilla.com:443/wpush/v2/gAAA',
    'https://FCM.GoogleAPIs.com/wp/x',
  ]) {
    it(`of a browser's push service is accepted as it is: ${endpoint}`, () => {
      assert.equal(rules.parseToken(subscription(endpoint), 'token').token, endpoint);
    });
  }

  const notAllowed = [
    'https://push.example.com/x',
    'https://googleapis.com/x',
    'https://fcm.googleapis.com.evil.test/x',
    'https://evil.test/https://fcm.googleapis.com',
    'https://evil.test/.googleapis.com',
    'https://fcm.googleapis.com:8443/x',
  ];
  for (const endpoint of notAllowed) {
    it(`elsewhere is refused: ${endpoint}`, () => {
      refuses(
        () => rules.parseToken(subscription(endpoint), 'token'),
        /token\.endpoint: origin .* is not allowed/,
      );
    });
  }

  it('must use https', () => {
    for (const endpoint of [
      'http://fcm.googleapis.com/x',
      'ftp://fcm.googleapis.com/x',
      'file:///etc/passwd',
    ]) {
      refuses(() => anyOrigin.parseToken(subscription(endpoint), 'token'), /token\.endpoint: must use https/);
    }
  });

  const literals = [
    '127.0.0.1',
    '8.8.8.8',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '127.1',
    '127.0.0.1.',
    '0',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[fe80::1]',
    '[fd00::1]',
    '[64:ff9b::7f00:1]',
    '[2a00:1450:4001::1]',
    '169.254.169.254',
    '%31%32%37.0.0.1',
    '１２７.0.0.1',
  ];
  for (const host of literals) {
    it(`must not be an IP address, even if every origin is allowed: ${host}`, () => {
      const message = /token\.endpoint: must (not be an IP address|be a URL)/;
      refuses(() => anyOrigin.parseToken(subscription(`https://${host}/x`), 'token'), message);
    });
  }

  it('must not carry credentials', () => {
    for (const endpoint of ['https://a:b@fcm.googleapis.com/x', 'https://fcm.googleapis.com@evil.test/x']) {
      refuses(
        () => anyOrigin.parseToken(subscription(endpoint), 'token'),
        /token\.endpoint: must not carry credentials/,
      );
    }
  });

  it('must be short and plain', () => {
    refuses(
      () => rules.parseToken(subscription(`${GOOGLE}${'x'.repeat(2048)}`), 'token'),
      /at most 2048 characters/,
    );
    refuses(() => rules.parseToken(subscription(` ${GOOGLE}`), 'token'), /without spaces/);
    refuses(
      () => rules.parseToken(subscription('https://fcm.googleapis.com/a\nb'), 'token'),
      /control characters/,
    );
  });

  it('is measured by allowed_endpoint_origins in place of the built-in list', () => {
    const own = webPushRules(webPushConfig({ allowed_endpoint_origins: ['https://*.Example.com'] }));
    assert.ok(own.parseToken(subscription('https://push.example.com/x'), 'token'));
    assert.ok(own.parseToken(subscription('https://a.b.example.com/x'), 'token'));
    const withPort = webPushRules(
      webPushConfig({ allowed_endpoint_origins: ['https://push.example.com:443'] }),
    );
    assert.ok(withPort.parseToken(subscription('https://push.example.com/x'), 'token'));
    refuses(() => own.parseToken(subscription(GOOGLE), 'token'), /is not allowed/);
  });

  it('is measured by extra_allowed_endpoint_origins besides the list in force', () => {
    const more = webPushRules(
      webPushConfig({ extra_allowed_endpoint_origins: ['https://push.example.com:8443'] }),
    );
    assert.ok(more.parseToken(subscription('https://push.example.com:8443/x'), 'token'));
    assert.ok(more.parseToken(subscription(GOOGLE), 'token'));
  });

  it('escapes the rules only at exactly the origins of insecure_endpoint_origins', () => {
    const lifted = webPushRules(webPushConfig({ insecure_endpoint_origins: ['http://127.0.0.1:8090'] }));
    assert.ok(lifted.parseToken(subscription('http://127.0.0.1:8090/wpush/v2/x'), 'token'));
    for (const endpoint of [
      'http://127.0.0.1:8091/x',
      'https://127.0.0.1:8090/x',
      'http://127.0.0.1/x',
      'http://localhost:8090/x',
    ]) {
      refuses(() => lifted.parseToken(subscription(endpoint), 'token'), /token\.endpoint: must/);
    }
    refuses(() => lifted.parseToken(subscription('http://u:p@127.0.0.1:8090/x'), 'token'), /credentials/);
  });

  it('cannot be insecure by a pattern: the option takes origins alone', () => {
    for (const origin of ['http://127.0.0.1:8090/path', '*', 'ftp://127.0.0.1', 'http://u:p@127.0.0.1']) {
      assert.throws(
        () => webPushRules(webPushConfig({ insecure_endpoint_origins: [origin] })),
        /insecure_endpoint_origins must be an origin/,
      );
    }
  });
});

describe('a message', () => {
  const check = (message: unknown) => rules.checkMessage(message, 'notification.webpush');

  it('is accepted with known headers, whatever their case, and unknown ones', () => {
    const message = {
      headers: { ttl: 60, Urgency: 'very-low', TOPIC: 'chat-1_A', 'X-Other': 'y' },
      payload: { a: 1 },
    };
    assert.equal(check(message), message);
    assert.ok(check({ payload: {} }));
  });

  it('is accepted up to 3993 bytes of JSON', () => {
    assert.ok(check({ payload: { a: 'x'.repeat(3993 - 8) } }));
    refuses(
      () => check({ payload: { a: 'é'.repeat(1993) } }),
      /webpush\.payload: must be at most 3993 bytes of JSON, got 3994/,
    );
  });

  const broken: [unknown, RegExp][] = [
    ['x', /notification\.webpush: must be an object/],
    [{}, /notification\.webpush\.payload: must be a JSON object/],
    [{ payload: [] }, /notification\.webpush\.payload: must be a JSON object/],
    [{ payload: {}, headers: [] }, /notification\.webpush\.headers: must be an object/],
    [
      { payload: {}, headers: { TTL: '-1' } },
      /headers\.TTL: must be a number of seconds, 0 or more, got "-1"/,
    ],
    [{ payload: {}, headers: { TTL: 1.5 } }, /headers\.TTL/],
    [
      { payload: {}, headers: { Urgency: 'urgent' } },
      /headers\.Urgency: must be one of very-low, low, normal, high/,
    ],
    [{ payload: {}, headers: { Topic: 'a b' } }, /headers\.Topic: must be 1 to 32 characters/],
    [{ payload: {}, headers: { Topic: 'x'.repeat(33) } }, /headers\.Topic: must be 1 to 32 characters/],
  ];
  for (const [message, error] of broken) {
    it(`is refused with the field named: ${JSON.stringify(message).slice(0, 60)}`, () => {
      refuses(() => check(message), error);
    });
  }
});
