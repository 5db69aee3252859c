import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { subscription } from '../support/push.ts';

const COMMAND = new URL('../../bin/carillon.mjs', import.meta.url).pathname;
const run = promisify(execFile);

suite('the command', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-cli-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const config = async (value: object) => {
    const file = join(folder, 'config.json');
    await writeFile(file, JSON.stringify(value));
    return file;
  };

  test('vapid makes a key pair', async () => {
    const { stdout } = await run(process.execPath, [COMMAND, 'vapid']);
    const { publicKey, privateKey } = JSON.parse(stdout);
    assert.equal(Buffer.from(publicKey, 'base64url').length, 65);
    assert.equal(Buffer.from(privateKey, 'base64url').length, 32);
  });

  test('check-config says what is wrong and ends with 1, without a stack', async () => {
    const file = await config({ http_server: { port: -1 } });
    await assert.rejects(
      run(process.execPath, [COMMAND, 'check-config', '--config', file]),
      (error: { code: number; stderr: string }) => {
        assert.equal(error.code, 1);
        assert.match(error.stderr, /http_server\.port is -1: allowed is a whole number from 0 to 65535/);
        assert.doesNotMatch(error.stderr, /\n\s+at /);
        return true;
      },
    );
  });

  test('an unknown command shows the known ones', async () => {
    await assert.rejects(
      run(process.execPath, [COMMAND, 'server']),
      (error: { code: number; stderr: string }) => error.code === 2 && /carillon serve/.test(error.stderr),
    );
  });

  test('a worker that has nothing to work on, or the wrong keys, says so', async () => {
    const push = {
      enabled: true,
      enabled_providers: ['webpush'],
      webpush: { subject: 'mailto:ops@example.com' },
    };
    const dsn = 'postgresql://localhost/none';
    const cases: [object, RegExp][] = [
      [{}, /push_notifications\.enabled is false: a worker has nothing to do/],
      [
        { push_notifications: push },
        /a worker needs database\.postgresql\.dsn: the embedded database belongs to one/,
      ],
      [
        { push_notifications: push, database: { postgresql: { dsn } } },
        /vapid_public_key and vapid_private_key are missing: a worker must sign with the server's keys/,
      ],
    ];
    const env = { ...process.env, CARILLON_DATA_DIR: join(folder, 'no-worker') };
    for (const [value, words] of cases) {
      const file = await config(value);
      await assert.rejects(
        run(process.execPath, [COMMAND, 'worker', '--config', file], { env }),
        (error: { code: number; stderr: string }) => {
          assert.equal(error.code, 1);
          assert.match(error.stderr, words);
          assert.doesNotMatch(error.stderr, /\n\s+at /);
          return true;
        },
      );
    }
  });

  test('a port in use is said in words', async () => {
    const blocker = createServer().listen(0);
    await once(blocker, 'listening');
    const { port } = blocker.address() as { port: number };
    const file = await config({ http_server: { port }, database: { enabled: false } });
    const env = { ...process.env, CARILLON_DATA_DIR: join(folder, 'blocked') };
    await assert.rejects(
      run(process.execPath, [COMMAND, 'serve', '--config', file], { env }),
      (error: { stderr: string }) => {
        assert.match(error.stderr, new RegExp(`port ${port} is in use by another program`));
        assert.doesNotMatch(error.stderr, /\n\s+at /);
        return true;
      },
    );
    blocker.close();
  });

  test('serve survives kill -9 with every registered device, keeps its secrets, and logs none of them', async () => {
    const file = await config({
      http_server: { port: 0 },
      push_notifications: {
        enabled: true,
        enabled_providers: ['webpush'],
        webpush: { subject: 'mailto:ops@example.com' },
      },
    });
    const dataDir = join(folder, 'data');
    const first = await serve(file, dataDir);
    const secrets = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8'));
    const token = subscription('survivor');
    const call = async (url: string, method: string, request: object) => {
      const response = await fetch(`${url}/api/${method}`, {
        method: 'POST',
        headers: { 'x-api-key': secrets.apiKey },
        body: JSON.stringify(request),
      });
      return ((await response.json()) as { result: { id: string; items: { id: string }[] } }).result;
    };
    const { id } = await call(first.url, 'device_register', {
      provider: 'webpush',
      platform: 'web',
      token,
      user: 'ann',
    });
    const gone = once(first.child, 'exit');
    first.child.kill('SIGKILL');
    await gone;
    const second = await serve(file, dataDir);
    const { items } = await call(second.url, 'device_list', {});
    assert.deepEqual(
      items.map((item) => item.id),
      [id],
    );
    const ended = once(second.child, 'exit');
    second.child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], 'a graceful end');
    const log = first.log() + second.log();
    for (const secret of [
      secrets.apiKey,
      secrets.tokenSecret,
      secrets.vapid.privateKey,
      JSON.parse(token).keys.auth,
    ]) {
      assert.ok(!log.includes(secret));
    }
  });
});

async function serve(
  file: string,
  dataDir: string,
): Promise<{ child: ChildProcess; url: string; log: () => string }> {
  const child = spawn(process.execPath, [COMMAND, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CARILLON_DATA_DIR: dataDir },
  });
  let log = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk;
      const found = /"url":"([^"]+)"/.exec(log)?.[1];
      if (found) resolve(found);
    });
    child.on('exit', (code) => reject(new Error(`serve ended with ${code}:\n${log}`)));
  });
  return { child, url, log: () => log };
}
