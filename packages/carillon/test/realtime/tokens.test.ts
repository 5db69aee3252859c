import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import type { TokenOptions } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/load.ts';
import { RawBytes, RawJson } from '../../src/realtime/payload.ts';
import { type TokenVerdict, TokenVerifier } from '../../src/realtime/tokens.ts';
import { SECRET, silent, token } from '../support/realtime.ts';

const now = () => Math.floor(Date.now() / 1000);
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();

function verifier(options: Partial<TokenOptions>): TokenVerifier {
  return new TokenVerifier(resolveConfig({ client: { token: options } }).config.client.token, silent);
}

function sign(
  claims: Record<string, unknown>,
  alg: string,
  key: KeyObject | Uint8Array,
  head: object = {},
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, ...head }).sign(key);
}

function wordOf(verdict: TokenVerdict): string {
  return verdict.kind === 'valid' ? `user ${verdict.claims.user}` : verdict.kind;
}

suite('tokens', () => {
  test('are good when signed with any key that is configured, by an algorithm that goes with it', async () => {
    const all = verifier({
      hmac_secret_key: SECRET,
      rsa_public_key: pem(rsa.publicKey),
      ecdsa_public_key: pem(p256.publicKey),
    });
    const secret = new TextEncoder().encode(SECRET);
    for (const [alg, key] of [
      ['HS256', secret],
      ['HS384', secret],
      ['HS512', secret],
      ['RS256', rsa.privateKey],
      ['RS384', rsa.privateKey],
      ['RS512', rsa.privateKey],
      ['ES256', p256.privateKey],
    ] as const) {
      assert.equal(wordOf(await all.verify(await sign({ sub: alg }, alg, key))), `user ${alg}`);
    }
    const other = verifier({ ecdsa_public_key: pem(p384.publicKey) });
    assert.equal(wordOf(await other.verify(await sign({ sub: '1' }, 'ES384', p384.privateKey))), 'user 1');
  });

  test('are refused for every way of confusing keys and algorithms', async () => {
    const text = new TextEncoder();
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const hmac = { hmac_secret_key: SECRET };
    const ofRsa = { rsa_public_key: pem(rsa.publicKey) };
    const ofEcdsa = { ecdsa_public_key: pem(p256.publicKey) };
    const good = await token({ sub: '42' });
    const [head = '', body = '', signature = ''] = good.split('.');
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = part({ alg: 'none' });
    const forged = part({ sub: 'admin' });
    const cases: [what: string, options: Partial<TokenOptions>, token: string][] = [
      [
        'an HMAC with the public key as secret',
        ofRsa,
        await sign({}, 'HS256', text.encode(pem(rsa.publicKey))),
      ],
      ['the same for ECDSA', ofEcdsa, await sign({}, 'HS256', text.encode(pem(p256.publicKey)))],
      ['an HMAC where there is no secret', ofRsa, await sign({}, 'HS256', text.encode(SECRET))],
      ['RSA where there is only a secret', hmac, await sign({}, 'RS256', rsa.privateKey)],
      ['RSA-PSS', ofRsa, await sign({}, 'PS256', rsa.privateKey)],
      ['another RSA key', ofRsa, await sign({}, 'RS256', stranger.privateKey)],
      ['a curve that the key is not on', ofEcdsa, await sign({}, 'ES384', p384.privateKey)],
      ['another secret', hmac, await token({ sub: '42' }, 'another secret')],
      ['no algorithm', hmac, `${unsigned}.${body}.${signature}`],
      ['an algorithm that every object has', hmac, `${part({ alg: 'constructor' })}.${body}.${signature}`],
      ['one more of these', hmac, `${part({ alg: '__proto__' })}.${body}.${signature}`],
      ['an algorithm that is a list', hmac, `${part({ alg: ['none'] })}.${body}.${signature}`],
      ['text behind the signature', hmac, `${good}!`],
      ['a signature with padding', hmac, `${good}=`],
      ['a signature that is cut off', hmac, good.slice(0, -1)],
      ['space around it', hmac, ` ${good}`],
      ['no signature', hmac, `${head}.${body}.`],
      ['claims exchanged', hmac, `${head}.${forged}.${signature}`],
      ['four parts', hmac, `${good}.x`],
      ['a critical extension', hmac, await withCritical()],
      ['no key at all', {}, good],
      ['more than fits into a frame', hmac, await token({ sub: '42', info: 'x'.repeat(70_000) })],
    ];
    for (const [what, options, jwt] of cases)
      assert.equal(wordOf(await verifier(options).verify(jwt)), 'invalid', what);
  });

  test('that were changed anywhere, and texts that are none, are refused and nothing else', async () => {
    const all = verifier({
      hmac_secret_key: SECRET,
      rsa_public_key: pem(rsa.publicKey),
      ecdsa_public_key: pem(p256.publicKey),
    });
    const good = [
      await token({ sub: '42', exp: now() + 60 }),
      await sign({ sub: '42' }, 'RS256', rsa.privateKey),
      await sign({ sub: '42' }, 'ES256', p256.privateKey),
    ];
    const character = fc.constantFrom(...'ABCZaz019-_.=+/! \u0000é');
    const changed = fc
      .tuple(
        fc.constantFrom(...good),
        fc.nat(),
        fc.nat({ max: 2 }),
        fc.string({ unit: character, maxLength: 3 }),
      )
      .map(([jwt, place, length, text]) => {
        const at = place % (jwt.length + 1);
        return jwt.slice(0, at) + text + jwt.slice(at + length);
      })
      .filter((jwt) => !good.includes(jwt));
    const head = fc.jsonValue().map((alg) => Buffer.from(JSON.stringify({ alg })).toString('base64url'));
    const renamed = fc
      .tuple(head, fc.constantFrom(...good))
      .map(([part, jwt]) => [part, ...jwt.split('.').slice(1)].join('.'));
    const names = fc.constantFrom('constructor', 'toString', 'hasOwnProperty', '__proto__', 'HS1', '');
    const named = names.map((alg) => `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.e30.AA`);
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, renamed, named, fc.string({ unit: character })), async (jwt) => {
        assert.equal(wordOf(await all.verify(jwt)), 'invalid', jwt);
      }),
      { numRuns: 500 },
    );
  });

  test('are told apart by times, issuer and audience, the expired from the invalid', async () => {
    const cases: [claims: Record<string, unknown>, options: Partial<TokenOptions>, word: string][] = [
      [{ sub: '42', exp: now() + 60, nbf: now() - 60 }, {}, 'user 42'],
      [{ sub: '42', exp: now() - 1 }, {}, 'expired'],
      [{ sub: '42', nbf: now() + 60 }, {}, 'expired'],
      [{ sub: '42', exp: 'tomorrow' }, {}, 'invalid'],
      [{ sub: 42 }, {}, 'invalid'],
      [{}, {}, 'user '],
      [{ sub: '42', exp: now() - 1, iss: 'b' }, { issuer: 'a' }, 'invalid'],
      [{ sub: '42', iss: 'a', aud: ['x', 'y'] }, { issuer: 'a', audience: 'y' }, 'user 42'],
      [{ sub: '42', aud: 'xy' }, { audience: 'y' }, 'invalid'],
      [
        { sub: '42', iss: 'https://one.example' },
        { issuer_regex: '^https://(one|two)\\.example$' },
        'user 42',
      ],
      [
        { sub: '42', iss: 'https://six.example' },
        { issuer_regex: '^https://(one|two)\\.example$' },
        'invalid',
      ],
      [{ sub: '42', aud: ['x', 'app-1'] }, { audience_regex: '^app-' }, 'user 42'],
      [{ sub: '42' }, { audience_regex: '^app-' }, 'invalid'],
      [{ user: 7 }, { user_id_claim: 'user' }, 'user 7'],
      [{ app: { user: 'u' } }, { user_id_claim: 'app.user' }, 'user u'],
      [{ user: { id: 1 } }, { user_id_claim: 'user' }, 'invalid'],
    ];
    for (const [claims, options, word] of cases) {
      const verdict = await verifier({ hmac_secret_key: SECRET, ...options }).verify(await token(claims));
      assert.equal(wordOf(verdict), word, JSON.stringify({ claims, options }));
    }
  });

  test('may be signed with the previous secret until its time is over', async () => {
    const old = await token({ sub: '42' }, 'old');
    const until = (seconds: number) =>
      verifier({
        hmac_secret_key: 'new',
        hmac_previous_secret_key: 'old',
        hmac_previous_secret_key_valid_until: seconds,
      }).verify(old);
    assert.equal(wordOf(await until(0)), 'user 42');
    assert.equal(wordOf(await until(now() + 60)), 'user 42');
    assert.equal(wordOf(await until(now() - 60)), 'invalid');
  });

  test('carry infos, data, channels with overrides, and an end of their own', async () => {
    const read = async (claims: Record<string, unknown>) => {
      const verdict = await verifier({ hmac_secret_key: SECRET }).verify(await token(claims));
      return verdict.kind === 'valid' ? verdict.claims : verdict;
    };
    const bytes = Buffer.from([0xff, 0x00]).toString('base64');
    const full = await read({
      sub: '42',
      exp: now() + 60,
      expire_at: 0,
      b64info: bytes,
      meta: { role: 'admin' },
      channels: ['ignored:a'],
      subs: {
        'news:a': { info: { n: 1 }, data: [1], override: { presence: { value: true }, join_leave: {} } },
      },
    });
    assert.ok('subs' in full);
    assert.deepEqual(full.info, new RawBytes(Buffer.from([0xff, 0x00])));
    assert.deepEqual(full.meta, new RawJson('{"role":"admin"}'));
    assert.equal(full.expireAt, 0, 'expire_at wins over exp');
    assert.deepEqual(
      [...full.subs],
      [
        [
          'news:a',
          {
            info: new RawJson('{"n":1}'),
            data: new RawJson('[1]'),
            override: { presence: true, join_leave: false },
          },
        ],
      ],
    );
    const plain = await read({ channels: ['a', 'b'], exp: now() + 60 });
    assert.ok('subs' in plain);
    assert.deepEqual([...plain.subs.keys()], ['a', 'b']);
    const far = await read({ exp: now() + 10 * 365 * 86_400 });
    assert.ok('subs' in far);
    assert.ok(far.expireAt < now() + 366 * 86_400, 'a year at the most');
    for (const wrong of [
      { b64info: '%%%' },
      { channels: 'a' },
      { channels: [1] },
      { subs: { a: 1 } },
      { override: { presence: true } },
      { expire_at: '1' },
    ]) {
      assert.equal(((await read(wrong)) as TokenVerdict).kind, 'invalid', JSON.stringify(wrong));
    }
  });
});

test('keys of tokens that cannot be used stop the start, and are not shown', () => {
  const weak = pem(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey);
  const secret = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const refused = (options: object) => {
    try {
      resolveConfig({ client: { token: options } });
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(
    refused({ rsa_public_key: 'x' }),
    /client\.token\.rsa_public_key .*no PEM.*allowed is an RSA public key/,
  );
  assert.match(
    refused({ rsa_public_key: weak }),
    /1024 bits: allowed is an RSA public key of 2048 bits or more/,
  );
  assert.match(refused({ rsa_public_key: pem(p256.publicKey) }), /of type ec: allowed is an RSA/);
  assert.match(refused({ ecdsa_public_key: pem(rsa.publicKey) }), /of type rsa: allowed is an ECDSA/);
  assert.match(refused({ jwks_public_endpoint: 'ftp://a/b' }), /allowed is an http: or https: URL/);
  assert.match(refused({ issuer: 'a', issuer_regex: 'b' }), /exclude each other/);
  assert.match(refused({ audience_regex: '(' }), /audience_regex is "\("/);
  const privateKey = refused({ rsa_public_key: secret });
  assert.match(privateKey, /it is a private key/);
  assert.ok(!privateKey.includes(secret.split('\n')[1] as string));
  const template = (pattern: string) =>
    refused({ jwks_public_endpoint: 'https://keys.example/{{tenant}}', issuer_regex: pattern });
  assert.equal(template('^https://(?P<tenant>one|two)\\.example$'), 'accepted');
  assert.match(template('^https://(?P<tenant>.*)\\.example$'), /lists its values/);
  assert.match(template('^https://(?P<tenant>[a-z]+)$'), /lists its values/);
  assert.match(template('^https://x$'), /lists its values/);
});

/** A token that says it needs an extension, with a signature that holds. */
async function withCritical(): Promise<string> {
  return new SignJWT({ sub: '42' })
    .setProtectedHeader({ alg: 'HS256', crit: ['x'], x: 1 })
    .sign(new TextEncoder().encode(SECRET), { crit: { x: true } });
}
