import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { generateVapidKeys } from '../../src/push/providers/webpush/index.ts';

const COMMAND = new URL('../../bin/carillon.mjs', import.meta.url).pathname;
const run = promisify(execFile);

suite('check-config tries the keys of providers', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-check-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const check = async (push: object) => {
    const config = { push_notifications: { enabled: true, ...push } };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const env = { ...process.env, CARILLON_DATA_DIR: join(folder, 'data') };
    return run(process.execPath, [COMMAND, 'check-config'], { cwd: folder, env });
  };
  const webpush = { subject: 'mailto:ops@example.com' };
  const key = (type: 'ec' | 'rsa') => {
    const options = type === 'ec' ? { namedCurve: 'P-256' } : { modulusLength: 2048 };
    const { privateKey } = generateKeyPairSync(type as 'rsa', options as { modulusLength: number });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  };

  test('and names them when they can be used, without making any', async () => {
    await writeFile(join(folder, 'AuthKey.p8'), key('ec'));
    const account = {
      type: 'service_account',
      project_id: 'shop',
      client_email: 'push@shop.example',
      private_key: key('rsa'),
    };
    await writeFile(join(folder, 'shop.json'), JSON.stringify(account));
    const { stdout } = await check({
      enabled_providers: ['webpush', 'apns'],
      webpush,
      apns: {
        bundle_id: 'com.example.app',
        token_key_file: 'AuthKey.p8',
        token_key_id: 'ABCDE12345',
        token_team_id: 'TEAM123456',
        endpoint: 'production',
      },
      apps: { shop: { fcm: { credentials_file: 'shop.json' } } },
    });
    assert.match(stdout, /^config\.json is a valid configuration\.\n/);
    assert.match(stdout, /Keys can be read and used: webpush, apns, apps\.shop\.fcm\./);
    assert.ok(!(await readdir(folder)).includes('data'));
  });

  test('and lists what is wrong with all of them at once, ending with 1', async () => {
    const { publicKey } = generateVapidKeys();
    const { privateKey } = generateVapidKeys();
    await assert.rejects(
      check({
        enabled_providers: ['webpush', 'fcm'],
        webpush: { ...webpush, vapid_public_key: publicKey, vapid_private_key: privateKey },
        fcm: { credentials_file: 'missing.json' },
      }),
      (error: { code: number; stderr: string }) => {
        assert.equal(error.code, 1);
        assert.match(error.stderr, /configuration has 2 problems:/);
        assert.match(error.stderr, /webpush\.vapid_public_key.* does not belong to vapid_private_key/);
        assert.match(error.stderr, /fcm\.credentials_file is "missing\.json", but .*there is no such file/);
        assert.ok(!error.stderr.includes(privateKey));
        assert.doesNotMatch(error.stderr, /\n\s+at /);
        return true;
      },
    );
  });
});
