import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import webPush from 'web-push';
import { createVapidSigner, generateVapidKeys } from '../../../src/push/providers/webpush/vapid.ts';
import { webPushConfig } from './support.ts';

/** Reads `Authorization: vapid t=…, k=…` and verifies its signature, by the rules of RFC 8292 alone. */
function readAuthorization(authorization: string) {
  const parts = /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)$/.exec(authorization);
  assert.ok(parts, authorization);
  const [, header, claims, signature, key] = parts as unknown as [string, string, string, string, string];
  const point = Buffer.from(key, 'base64url');
  const publicKey = createPublicKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
    },
  });
  const isGenuine = verify(
    'sha256',
    Buffer.from(`${header}.${claims}`),
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
  const json = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString());
  return { isGenuine, header: json(header), claims: json(claims), key };
}

const HOUR = 3_600_000;

describe('a VAPID token', () => {
  it('is judged right by the reader of these tests, which accepts the example of RFC 8292', () => {
    const example =
      'vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs';
    const { isGenuine, claims } = readAuthorization(example);
    assert.equal(isGenuine, true);
    assert.equal(claims.aud, 'https://push.example.net');
  });

  it('is signed by ES256 and names the origin, the contact and an end within a day', () => {
    const config = webPushConfig();
    const now = 1_700_000_000_000;
    const token = readAuthorization(createVapidSigner(config, () => now).authorization('https://push.test'));
    assert.equal(token.isGenuine, true);
    assert.deepEqual(token.header, { typ: 'JWT', alg: 'ES256' });
    assert.equal(token.claims.aud, 'https://push.test');
    assert.equal(token.claims.sub, config.subject);
    const life = token.claims.exp - now / 1000;
    assert.ok(life > 0 && life <= 24 * 3600, `lives ${life} s`);
    assert.equal(token.key, config.vapid_public_key);
  });

  it('is reused for its origin until half its life is over, then replaced', () => {
    let now = 1_700_000_000_000;
    const signer = createVapidSigner(webPushConfig(), () => now);
    const first = signer.authorization('https://push.test');
    now += 6 * HOUR - 1000;
    assert.equal(signer.authorization('https://push.test'), first);
    now += 1000;
    const second = signer.authorization('https://push.test');
    assert.notEqual(second, first);
    assert.equal(signer.authorization('https://push.test'), second);
  });

  it('says the same as a token of web-push, under the same header', () => {
    const config = webPushConfig();
    const theirs = readAuthorization(
      webPush.getVapidHeaders(
        'https://push.test',
        config.subject,
        config.vapid_public_key,
        config.vapid_private_key,
        'aes128gcm',
      ).Authorization!,
    );
    const ours = readAuthorization(createVapidSigner(config).authorization('https://push.test'));
    assert.equal(theirs.isGenuine, true);
    assert.deepEqual(ours.header, theirs.header);
    assert.deepEqual({ ...ours.claims, exp: 0 }, { ...theirs.claims, exp: 0 });
    assert.equal(ours.key, theirs.key);
    assert.ok(Math.abs(ours.claims.exp - theirs.claims.exp) <= 5, 'both live for 12 hours');
  });

  it('is another one for another origin', () => {
    const signer = createVapidSigner(webPushConfig());
    const audience = (origin: string) => readAuthorization(signer.authorization(origin)).claims.aud;
    assert.equal(audience('https://a.test'), 'https://a.test');
    assert.equal(audience('https://b.test:8443'), 'https://b.test:8443');
  });
});

describe('VAPID keys', () => {
  it('are made as base64url of 65 and 32 bytes that sign', () => {
    for (let round = 0; round < 300; round++) {
      const { publicKey, privateKey } = generateVapidKeys();
      assert.equal(Buffer.from(publicKey, 'base64url').length, 65);
      assert.equal(Buffer.from(privateKey, 'base64url').length, 32);
      createVapidSigner({
        vapid_public_key: publicKey,
        vapid_private_key: privateKey,
        subject: 'mailto:a@b.test',
      });
    }
  });

  const broken: [string, Parameters<typeof webPushConfig>[0], RegExp][] = [
    [
      'an empty public key',
      { vapid_public_key: '' },
      /webpush\.vapid_public_key must be base64url of 65 bytes/,
    ],
    [
      'a foreign public key',
      { vapid_public_key: generateVapidKeys().publicKey },
      /vapid_public_key does not belong/,
    ],
    ['a short private key', { vapid_private_key: 'AAAA' }, /vapid_private_key must be base64url of 32 bytes/],
    [
      'a zero private key',
      { vapid_private_key: 'A'.repeat(43) },
      /vapid_private_key is not a private key of P-256/,
    ],
    ['a subject without a scheme', { subject: 'ops@example.com' }, /webpush\.subject must be a contact/],
    ['a subject with angle brackets', { subject: 'mailto:<a@b.test>' }, /webpush\.subject must be a contact/],
  ];
  for (const [what, overrides, error] of broken) {
    it(`are refused with the option named: ${what}`, () => {
      assert.throws(() => createVapidSigner(webPushConfig(overrides)), error);
    });
  }

  it('never show the private key in an error', () => {
    const { privateKey } = generateVapidKeys();
    assert.throws(
      () => createVapidSigner(webPushConfig({ vapid_private_key: privateKey })),
      (error: Error) => !error.message.includes(privateKey),
    );
  });
});
