import assert from 'node:assert/strict';
import { createPrivateKey, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { ProviderTokens } from '../../../src/push/providers/apns/provider-tokens.ts';
import { privateKeyPem, publicKey } from './support.ts';

const MINUTE = 60_000;
const key = { key: createPrivateKey(privateKeyPem), keyId: 'ABCDE12345', teamId: 'TEAM123456' };

function readToken(authorization: string) {
  const parts = /^bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization);
  assert.ok(parts, authorization);
  const [, header, claims, signature] = parts as unknown as [string, string, string, string];
  const bytes = Buffer.from(signature, 'base64url');
  const isGenuine = verify(
    'sha256',
    Buffer.from(`${header}.${claims}`),
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    bytes,
  );
  const json = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString());
  return { isGenuine, header: json(header), claims: json(claims), signatureBytes: bytes.length };
}

describe('a provider token', () => {
  it('is signed by ES256 and names the key, the team and when it was made', () => {
    const now = 1_700_000_000_000;
    const token = new ProviderTokens(key, () => now).current();
    const { isGenuine, header, claims, signatureBytes } = readToken(token.authorization);
    assert.equal(isGenuine, true);
    assert.equal(signatureBytes, 64);
    assert.deepEqual(header, { alg: 'ES256', kid: 'ABCDE12345' });
    assert.deepEqual(claims, { iss: 'TEAM123456', iat: token.issuedAt });
    assert.ok(token.issuedAt <= now / 1000 && token.issuedAt > now / 1000 - 1200);
  });

  it('is in use for 20 minutes or more, and never older than 50 or of the future, whenever one starts', () => {
    for (let offset = 0; offset < 60; offset++) {
      let now = 1_700_000_000_000 + offset * MINUTE;
      const tokens = new ProviderTokens(key, () => now);
      let current = tokens.current();
      let firstUse = now;
      let renewals = 0;
      for (let minute = 0; minute < 300; minute++) {
        now += MINUTE;
        const token = tokens.current();
        const age = now / 1000 - token.issuedAt;
        assert.ok(age >= 0 && age < 50 * 60, `is ${age} s old`);
        if (token === current) continue;
        assert.ok(now - firstUse >= 20 * MINUTE, `was used for ${(now - firstUse) / MINUTE} minutes`);
        assert.ok(now - firstUse <= 50 * MINUTE);
        current = token;
        firstUse = now;
        renewals += 1;
      }
      assert.ok(renewals >= 6 && renewals <= 8, `${renewals} renewals in five hours`);
    }
  });

  it('says the same time in threads and processes that start within the same 20 minutes', () => {
    const start = 1_700_000_400_000;
    const issued = [0, 7, 19].map(
      (minutes) => new ProviderTokens(key, () => start + minutes * MINUTE).current().issuedAt,
    );
    assert.equal(new Set(issued).size, 1);
  });

  it('that is refused as expired is replaced by one that says a later time, once in 20 minutes', () => {
    let now = 1_700_000_460_000;
    const tokens = new ProviderTokens(key, () => now);
    const first = tokens.current();
    assert.equal(tokens.replace(first), true);
    const second = tokens.current();
    assert.ok(second.issuedAt > first.issuedAt);
    assert.equal(tokens.replace(first), false, 'the first one is replaced already');
    assert.equal(tokens.replace(second), false, 'not again so soon');
    assert.equal(tokens.current(), second);
    now += 20 * MINUTE;
    assert.equal(tokens.replace(second), true);
  });

  it('stays when APNs finds that there are too many, but not beyond its life', () => {
    let now = 1_700_000_400_000;
    const tokens = new ProviderTokens(key, () => now);
    const first = tokens.current();
    tokens.hold();
    assert.equal(tokens.replace(first), false);
    now += 50 * MINUTE;
    assert.notEqual(tokens.current(), first);
  });

  it('of the future is not used: the clock was put back', () => {
    let now = 1_700_000_400_000;
    const tokens = new ProviderTokens(key, () => now);
    tokens.current();
    now -= 120 * MINUTE;
    assert.ok(tokens.current().issuedAt <= now / 1000);
  });
});
