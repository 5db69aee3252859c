import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readKeyFile } from '../../../src/push/providers/key-file.ts';
import { reasonWords } from '../../../src/push/providers/reason-words.ts';
import { pathPrefix, readServiceUrl } from '../../../src/push/providers/service-url.ts';

describe("the URL of a vendor's service", () => {
  for (const url of [
    'https://fcm.googleapis.com',
    'https://push.example.com:8443/base/',
    'http://127.0.0.1:8090',
    'http://localhost:8090/fcm',
    'http://emulator:8090',
    'http://[::1]:8090',
  ]) {
    it(`may be ${url}`, () => assert.equal(readServiceUrl(url, 'fcm.endpoint').href, new URL(url).href));
  }

  for (const url of [
    '',
    'fcm.googleapis.com',
    'ftp://fcm.googleapis.com',
    'http://fcm.googleapis.com',
    'http://10.0.0.7:80',
    'http://127.0.0.1.example.com',
    'https://user@example.com',
    'https://example.com/#x',
  ]) {
    it(`may not be ${JSON.stringify(url)}, and the words name option and value`, () => {
      assert.throws(
        () => readServiceUrl(url, 'apps.shop.fcm.endpoint'),
        (error: Error) => {
          assert.match(error.message, /push_notifications\.apps\.shop\.fcm\.endpoint is /);
          assert.ok(error.message.includes(JSON.stringify(url)));
          assert.match(error.message, /allowed is an https URL/);
          return true;
        },
      );
    });
  }

  it('has a path that others are put behind', () => {
    assert.equal(pathPrefix(new URL('https://a.example/')), '');
    assert.equal(pathPrefix(new URL('https://a.example/base/')), '/base');
  });
});

describe('a key file', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'carillon-key-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is read whole', () => {
    writeFileSync(join(folder, 'key.json'), '{"a":1}');
    assert.equal(readKeyFile(join(folder, 'key.json'), 'fcm.credentials_file', '').toString(), '{"a":1}');
  });

  it('that is not there is named, with what to do', () => {
    assert.throws(
      () => readKeyFile(join(folder, 'none.json'), 'fcm.credentials_file', 'make one in the console'),
      /push_notifications\.fcm\.credentials_file is ".*none\.json", but .*: there is no such file: make one in the console/,
    );
  });

  it('may be no folder, and no file of another kind', () => {
    assert.throws(() => readKeyFile(folder, 'fcm.credentials_file', ''), /it cannot be read \(EISDIR\)/);
    writeFileSync(join(folder, 'film'), Buffer.alloc(300_000));
    assert.throws(
      () => readKeyFile(join(folder, 'film'), 'fcm.credentials_file', ''),
      /300000 bytes are too many for a key/,
    );
  });
});

describe("a service's own words", () => {
  it('are one short line without the secrets in them', () => {
    const words = reasonWords(`  no\n token abcdefghijkl at ${'x '.repeat(300)}`, ['abcdefghijkl']);
    assert.match(words, /^no token abcd… at x x/);
    assert.equal(words.length, 200);
  });

  it('keep what is too short to be a secret', () => {
    assert.equal(reasonWords('the key is 104', ['104']), 'the key is 104');
  });
});
