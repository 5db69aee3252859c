import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConfigError } from '../../../src/config/load.ts';
import { createApnsProvider } from '../../../src/push/providers/apns/index.ts';
import { readSettings } from '../../../src/push/providers/apns/settings.ts';
import { apnsConfig, makePkcs12, privateKeyPem } from './support.ts';

let folder: string;
let pkcs12: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'carillon-apns-'));
  pkcs12 = makePkcs12('com.example.app', 'open sesame');
  writeFileSync(join(folder, 'key.p8'), privateKeyPem);
  writeFileSync(join(folder, 'cert.p12'), Buffer.from(pkcs12, 'base64'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const pem = (type: 'rsa' | 'secp384r1') => {
  const { privateKey } =
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: type });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
};
const cert = (overrides: object) => apnsConfig({ auth_type: 'cert', token_key_pem: '', ...overrides });

describe('the configuration of APNs', () => {
  it('names its service', () => {
    const origin = (endpoint: string) => readSettings(apnsConfig({ endpoint }), 'apns').origin;
    assert.equal(origin('development'), 'https://api.sandbox.push.apple.com');
    assert.equal(origin('production'), 'https://api.push.apple.com');
    assert.equal(origin('https://api.push.apple.com:2197'), 'https://api.push.apple.com:2197');
    const custom = readSettings(apnsConfig({ endpoint: 'https://push.test:8443/apns/' }), 'apns');
    assert.deepEqual([custom.origin, custom.devicePath], ['https://push.test:8443', '/apns/3/device/']);
  });

  it('takes a key from a file, or from text with line ends as environment variables have them', () => {
    const fromFile = apnsConfig({ token_key_pem: '', token_key_file: join(folder, 'key.p8') });
    assert.equal(readSettings(fromFile, 'apns').credential.type, 'token');
    const escaped = apnsConfig({ token_key_pem: privateKeyPem.replaceAll('\n', '\\n') });
    assert.equal(readSettings(escaped, 'apns').credential.type, 'token');
  });

  it('takes a certificate from a file or from base64', () => {
    const cert_p12_password = 'open sesame';
    for (const source of [{ cert_p12_b64: pkcs12 }, { cert_p12_file: join(folder, 'cert.p12') }]) {
      assert.equal(readSettings(cert({ ...source, cert_p12_password }), 'apns').credential.type, 'cert');
    }
  });

  const broken: [string, () => Parameters<typeof createApnsProvider>[0], RegExp][] = [
    [
      'an unknown endpoint',
      () => apnsConfig({ endpoint: 'sandbox' }),
      /apps\.shop\.apns\.endpoint is "sandbox": allowed is "development", "production"/,
    ],
    [
      'plain http elsewhere',
      () => apnsConfig({ endpoint: 'http://push.example.com' }),
      /apns\.endpoint .*https/,
    ],
    ['no bundle id', () => apnsConfig({ bundle_id: '' }), /apns\.bundle_id is missing: give the bundle id/],
    ['a bundle id with spaces', () => apnsConfig({ bundle_id: 'my app' }), /apns\.bundle_id is "my app"/],
    ['no key id', () => apnsConfig({ token_key_id: '' }), /apns\.token_key_id is missing: give the key id/],
    [
      'a short team id',
      () => apnsConfig({ token_team_id: 'TEAM' }),
      /apns\.token_team_id is "TEAM": .* 10 of A-Z and 0-9/,
    ],
    ['no key', () => apnsConfig({ token_key_pem: '' }), /apns\.token_key_file is missing: give the path/],
    [
      'two keys',
      () => apnsConfig({ token_key_file: 'x' }),
      /token_key_file and .*token_key_pem exclude each other/,
    ],
    [
      'a file that is not there',
      () => apnsConfig({ token_key_pem: '', token_key_file: '/nowhere.p8' }),
      /apns\.token_key_file is "\/nowhere\.p8", .*no such file/,
    ],
    [
      'a key that is none',
      () => apnsConfig({ token_key_pem: 'secret words' }),
      /apns\.token_key_pem holds no private key/,
    ],
    ['an RSA key', () => apnsConfig({ token_key_pem: pem('rsa') }), /holds a key of type rsa: .*P-256/],
    ['a key of another curve', () => apnsConfig({ token_key_pem: pem('secp384r1') }), /P-256/],
    ['no certificate', () => cert({}), /apns\.cert_p12_file is missing: .*auth_type to "token"/],
    ['two certificates', () => cert({ cert_p12_file: 'x', cert_p12_b64: 'eA==' }), /exclude each other/],
    [
      'a certificate that is none',
      () => cert({ cert_p12_b64: 'eA==' }),
      /apns\.cert_p12_b64 is no certificate with a key/,
    ],
    [
      'a wrong password',
      () => cert({ cert_p12_b64: pkcs12, cert_p12_password: 'sesame' }),
      /apns\.cert_p12_password does not open the file of apps\.shop\.apns\.cert_p12_b64/,
    ],
  ];
  for (const [what, config, message] of broken) {
    it(`stops the start with the option named: ${what}`, () => {
      assert.throws(
        () => createApnsProvider(config(), { section: 'apps.shop.apns' }),
        (error: unknown) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret words|PRIVATE KEY-----\n/);
          return true;
        },
      );
    });
  }

  it('says how to renew a certificate that is encrypted in an old way', () => {
    const [key, chain, old] = ['key.pem', 'cert.pem', 'old.p12'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=x',
      '-keyout',
      key,
      '-out',
      chain,
    );
    openssl('pkcs12', '-export', '-legacy', '-inkey', key, '-in', chain, '-out', old, '-passout', 'pass:x');
    assert.throws(
      () => createApnsProvider(cert({ cert_p12_file: old, cert_p12_password: 'x' })),
      /apns\.cert_p12_file is encrypted in an old way: export it again, e\.g\. openssl pkcs12 -legacy/,
    );
  });
});
