import assert from 'node:assert/strict';
import { createDecipheriv, createECDH, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import webPush from 'web-push';
import {
  encrypt,
  isCurvePoint,
  MAX_PLAINTEXT_BYTES,
  pad,
} from '../../../src/push/providers/webpush/encryption.ts';
import { Browser } from './support.ts';

const bytes = (base64url: string) => Buffer.from(base64url, 'base64url');
const { decrypt: decryptRecords } = createRequire(import.meta.url)('http_ece') as {
  decrypt(body: Buffer, params: { version: string; key: string }): Buffer;
};

/** RFC 8291 section 5 and appendix A. */
const RFC_8291 = {
  plaintext: 'V2hlbiBJIGdyb3cgdXAsIEkgd2FudCB0byBiZSBhIHdhdGVybWVsb24',
  asPrivate: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw',
  uaPrivate: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
  uaPublic: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  salt: 'DGv6ra1nlYgDCS1FRnbzlw',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  body: 'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
};

describe('encryption of a push message', () => {
  it('gives the body of RFC 8291 appendix A byte for byte', () => {
    const body = encrypt(
      pad(bytes(RFC_8291.plaintext)),
      { p256dh: bytes(RFC_8291.uaPublic), auth: bytes(RFC_8291.auth) },
      { privateKey: bytes(RFC_8291.asPrivate), salt: bytes(RFC_8291.salt) },
    );
    assert.equal(body.toString('base64url'), RFC_8291.body);
  });

  it('is read by http_ece at every size that fits, as one record of at most 4096 bytes', () => {
    const browser = new Browser();
    const keys = { p256dh: browser.keyPair.getPublicKey(), auth: browser.auth };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: MAX_PLAINTEXT_BYTES, size: 'max' }), (plaintext) => {
        const body = encrypt(pad(plaintext), keys);
        assert.equal(body.length, plaintext.length + 103);
        assert.deepEqual(browser.decrypt(body), Buffer.from(plaintext));
      }),
      { numRuns: 100, examples: [[new Uint8Array(0)], [new Uint8Array(MAX_PLAINTEXT_BYTES)]] },
    );
  });

  it('refuses a plaintext of 3994 bytes', () => {
    assert.throws(() => pad(Buffer.alloc(MAX_PLAINTEXT_BYTES + 1)), /at most 3993 bytes, got 3994/);
  });

  it('uses another key pair and another salt for each message', () => {
    const browser = new Browser();
    const keys = { p256dh: browser.keyPair.getPublicKey(), auth: browser.auth };
    const bodies = Array.from({ length: 50 }, () => encrypt(pad(Buffer.from('same')), keys));
    assert.equal(new Set(bodies.map((body) => body.toString('latin1', 0, 16))).size, 50);
    assert.equal(new Set(bodies.map((body) => body.toString('latin1', 21, 86))).size, 50);
  });

  it('has the layout that web-push produces', () => {
    const browser = new Browser();
    const theirs = webPush.generateRequestDetails(
      { endpoint: 'https://push.test/x', keys: browser.keys },
      'hello',
      {
        contentEncoding: 'aes128gcm',
      },
    );
    const theirBody = theirs.body as Buffer;
    const ourBody = encrypt(pad(Buffer.from('hello')), {
      p256dh: browser.keyPair.getPublicKey(),
      auth: browser.auth,
    });
    assert.equal(ourBody.length, theirBody.length);
    assert.deepEqual(ourBody.subarray(16, 22), theirBody.subarray(16, 22));
    assert.deepEqual(browser.decrypt(ourBody), browser.decrypt(theirBody));
  });

  it('derives keys by the coding of RFC 8188 section 3.1', () => {
    const body = bytes('I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg');
    const key = bytes('yqdlZ-tYemfogSmv7Ws5PQ');
    const hmac = (secret: Buffer, data: Buffer) => createHmac('sha256', secret).update(data).digest();
    const prk = hmac(body.subarray(0, 16), key);
    const cek = hmac(prk, Buffer.from('Content-Encoding: aes128gcm\0\x01')).subarray(0, 16);
    const nonce = hmac(prk, Buffer.from('Content-Encoding: nonce\0\x01')).subarray(0, 12);
    const decipher = createDecipheriv('aes-128-gcm', cek, nonce).setAuthTag(body.subarray(-16));
    const padded = Buffer.concat([decipher.update(body.subarray(21, -16)), decipher.final()]);
    assert.equal(padded.toString('latin1'), 'I am the walrus\x02');
  });

  it('is cross-checked by a reader that knows the vectors of RFC 8188', () => {
    const single = 'I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg';
    const double =
      'uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJFjEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWIqS_uA';
    const read = (body: string, key: string) =>
      decryptRecords(bytes(body), { version: 'aes128gcm', key }).toString();
    assert.equal(read(single, 'yqdlZ-tYemfogSmv7Ws5PQ'), 'I am the walrus');
    assert.equal(read(double, 'BO3ZVPxUlnLORbVGMpbT1Q'), 'I am the walrus');
  });
});

describe('a public key', () => {
  const point = createECDH('prime256v1').generateKeys();

  it('is accepted as an uncompressed point of the curve', () => {
    assert.equal(isCurvePoint(point), true);
  });

  it('is refused in compressed form, in another length, and off the curve', () => {
    const offCurve = Buffer.from(point);
    offCurve[64]! ^= 1;
    assert.equal(isCurvePoint(offCurve), false);
    assert.equal(isCurvePoint(point.subarray(0, 64)), false);
    assert.equal(isCurvePoint(Buffer.concat([Buffer.of(2), point.subarray(1, 33)])), false);
    assert.equal(isCurvePoint(Buffer.concat([Buffer.of(4), Buffer.alloc(64)])), false);
  });
});
