import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createFcmProvider } from '../../../src/push/providers/fcm/index.ts';
import { readServiceAccount, tokenForm } from '../../../src/push/providers/fcm/service-account.ts';
import { serviceAccount, serviceAccountKeys } from '../providers/oauth-service.ts';

const config = (credentials_json: string, credentials_file = '') => ({
  credentials_file,
  credentials_json,
  endpoint: '',
  tokens_batch_size: 500,
});
const keyFile = (overrides: Record<string, unknown> = {}) => JSON.stringify(serviceAccount(overrides));
const decode = (part: string | undefined) => JSON.parse(Buffer.from(part!, 'base64url').toString());

describe('a service account', () => {
  it('is read from the text of its key file, or from the file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'carillon-fcm-'));
    try {
      writeFileSync(join(folder, 'key.json'), keyFile());
      for (const given of [config(keyFile()), config('', join(folder, 'key.json'))]) {
        const account = readServiceAccount(given, 'fcm');
        assert.equal(account.projectId, 'shop-1');
        assert.equal(account.clientEmail, 'sender@shop-1.iam.gserviceaccount.com');
        assert.equal(account.tokenUri.href, 'https://oauth2.googleapis.com/token');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("has Google's token_uri where it names none", () => {
    const account = readServiceAccount(config(keyFile({ token_uri: undefined })), 'fcm');
    assert.equal(account.tokenUri.href, 'https://oauth2.googleapis.com/token');
  });

  it('may have line ends that an environment variable escaped twice', () => {
    const escaped = serviceAccountKeys.privateKey.replaceAll('\n', '\\n');
    readServiceAccount(config(keyFile({ private_key: escaped })), 'fcm');
  });

  const { privateKey: ecKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const wrong: [what: string, given: ReturnType<typeof config>, words: RegExp][] = [
    ['nothing', config(''), /fcm\.credentials_file is missing: .*Generate new private key/],
    [
      'both',
      config('{}', 'key.json'),
      /fcm\.credentials_json must not be given beside fcm\.credentials_file/,
    ],
    ['text that is no JSON', config('{"private_key": "-----BEGIN'), /fcm\.credentials_json is not JSON/],
    ['JSON that is no object', config('[]'), /is no JSON object/],
    [
      "the app's configuration",
      config('{"project_info":{}}'),
      /is google-services\.json, which is for the app/,
    ],
    [
      'another kind of account',
      config(keyFile({ type: 'authorized_user' })),
      /has type "authorized_user": needed is "service_account"/,
    ],
    ['no project', config(keyFile({ project_id: undefined })), /has no member project_id/],
    ['no address', config(keyFile({ client_email: 7 })), /has no text in client_email/],
    ['no key', config(keyFile({ private_key: undefined })), /has no member private_key/],
    ['a broken key', config(keyFile({ private_key: 'secret-words' })), /private_key that is no PEM/],
    [
      'a key of another kind',
      config(keyFile({ private_key: ecKey })),
      /private_key of type ec: needed is an RSA key/,
    ],
    [
      'a token_uri without TLS',
      config(keyFile({ token_uri: 'http://example.com/token' })),
      /credentials_json: token_uri is "http:\/\/example.com\/token"/,
    ],
  ];
  for (const [what, given, words] of wrong) {
    it(`with ${what} is refused when the provider is made, in words without the key`, () => {
      assert.throws(
        () => createFcmProvider(given),
        (error: Error) => {
          assert.equal(error.name, 'ConfigError');
          assert.match(error.message, words);
          assert.ok(!/secret-words|BEGIN/.test(error.message));
          return true;
        },
      );
    });
  }

  it('of a named app is called by its place in the configuration', () => {
    assert.throws(
      () => createFcmProvider(config(''), { section: 'apps.shop.fcm' }),
      /push_notifications\.apps\.shop\.fcm\.credentials_file is missing/,
    );
  });

  it('asks for tokens with a JWT of RS256 for its token_uri, good for an hour', () => {
    const account = readServiceAccount(config(keyFile({ token_uri: 'http://127.0.0.1:8090/token' })), 'fcm');
    const form = tokenForm(account, 1_700_000_000_900);
    assert.equal(form.grant_type, 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header, claims, signature] = form.assertion!.split('.');
    assert.deepEqual(decode(header), { alg: 'RS256', typ: 'JWT', kid: 'key-1' });
    assert.deepEqual(decode(claims), {
      iss: 'sender@shop-1.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      aud: 'http://127.0.0.1:8090/token',
      iat: 1_700_000_000,
      exp: 1_700_003_600,
    });
    const isGood = verify(
      'sha256',
      Buffer.from(`${header}.${claims}`),
      serviceAccountKeys.publicKey,
      Buffer.from(signature!, 'base64url'),
    );
    assert.ok(isGood);
  });
});
