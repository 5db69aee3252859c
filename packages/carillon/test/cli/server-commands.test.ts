import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { resolveConfig } from '../../src/config/load.ts';
import { type Carillon, startCarillon } from '../../src/server.ts';
import { openDatabase } from '../../src/storage/open.ts';
import { silent } from '../support/realtime.ts';

const COMMAND = new URL('../../bin/carillon.mjs', import.meta.url).pathname;
const run = promisify(execFile);

suite('commands that talk to a running server', () => {
  let folder: string;
  let dataDir: string;
  let carillon: Carillon;
  let pushService: Server;
  let origin: string;
  /** Paths that the push service was asked for. */
  const rung: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-commands-'));
    dataDir = join(folder, 'data');
    pushService = createServer((request, response) => {
      rung.push(request.url ?? '');
      request.resume();
      response.writeHead(request.url?.endsWith('refused') ? 403 : 201).end();
    }).listen(0, '127.0.0.1');
    await once(pushService, 'listening');
    origin = `http://127.0.0.1:${(pushService.address() as AddressInfo).port}`;
    const config = {
      http_server: { port: 0, address: '127.0.0.1' },
      push_notifications: {
        enabled: true,
        enabled_providers: ['webpush'],
        webpush: { subject: 'mailto:ops@example.com', insecure_endpoint_origins: [origin] },
      },
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const db = await openDatabase({ memory: true });
    carillon = await startCarillon({ config: resolveConfig(config).config, dataDir, db, logger: silent });
    const close = carillon.close;
    carillon = { ...carillon, close: () => close().finally(() => db.close()) };
  });

  after(async () => {
    await carillon.close();
    pushService.close();
    await rm(folder, { recursive: true, force: true });
  });

  const register = async (name: string, user: string, topics: string[]): Promise<string> => {
    const browser = createECDH('prime256v1');
    const keys = { p256dh: browser.generateKeys('base64url'), auth: randomBytes(16).toString('base64url') };
    const token = JSON.stringify({ endpoint: `${origin}/${name}`, keys });
    const device = { provider: 'webpush', platform: 'web', user, topics, token };
    return ((await carillon.dispatch('device_register', device)) as { id: string }).id;
  };
  const command = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    run(process.execPath, [COMMAND, ...args], {
      cwd: folder,
      env: { ...process.env, CARILLON_DATA_DIR: dataDir, CARILLON_URL: carillon.url, ...env },
    });
  const fails = (args: readonly string[], code: number, words: RegExp, env: NodeJS.ProcessEnv = {}) =>
    assert.rejects(command(args, env), (error: { code: number; stderr: string }) => {
      assert.match(error.stderr, words);
      assert.equal(error.code, code);
      assert.doesNotMatch(error.stderr, /\n\s+at /, 'no stack');
      return true;
    });

  test('send rings the devices of a topic, and with --wait says what became of it', async () => {
    await register('ann', 'ann', ['news']);
    await register('ben', 'ben', ['sports']);
    const args = ['send', '--topic', 'news', '--title', 'Hello', '--body', 'World', '--uid', 'article-7'];
    const { stdout } = await command([...args, '--wait']);
    assert.equal(stdout, 'article-7 is done: 1 accepted\n');
    assert.deepEqual(rung.splice(0), ['/ann']);

    const repeated = await command([...args, '--json']);
    assert.deepEqual(JSON.parse(repeated.stdout), { uid: 'article-7' });
  });

  test('send --wait ends with 1 and says why a device was not reached', async () => {
    const id = await register('refused', 'eve', ['refusals']);
    await assert.rejects(
      command(['send', '--user', 'eve', '--title', 'Hello', '--wait']),
      (error: { code: number; stdout: string; stderr: string }) => {
        assert.equal(error.code, 1);
        assert.match(error.stdout, /is done: 1 failed/);
        assert.match(error.stderr, new RegExp(`^${id}: forbidden`));
        return true;
      },
    );
    rung.length = 0;
  });

  test('send takes a notification of any shape from a file', async () => {
    await register('cleo', 'cleo', []);
    const file = join(folder, 'notification.json');
    await writeFile(file, JSON.stringify({ webpush: { payload: { title: 'Hello' } } }));
    await command(['send', '--user', 'cleo', '--notification', file, '--wait']);
    assert.deepEqual(rung.splice(0), ['/cleo']);
    await writeFile(file, '[]');
    await fails(['send', '--user', 'cleo', '--notification', file], 1, /must be an object such as/);
  });

  test('send with a time to come waits for it', async () => {
    const { stdout } = await command(
      ['send', '--user', 'ann', '--title', 'Later', '--at', '2100-01-01T00:00:00Z', '--json'],
      {},
    );
    const { uid } = JSON.parse(stdout);
    const status = (await carillon.dispatch('push_status', { uid })) as { state: string; send_at: number };
    assert.equal(status.state, 'scheduled');
    assert.equal(status.send_at, Date.UTC(2100, 0) / 1000);
    assert.deepEqual(rung, []);
  });

  test('send says what is missing or wrong on its command line', async () => {
    await fails(['send', '--title', 'Hello'], 2, /to whom\? Name a --topic/);
    await fails(['send', '--topic', 'news'], 2, /needs a --title, or a --notification/);
    await fails(
      ['send', '--topic', 'news', '--title', 'x', '--provider', 'pigeon'],
      2,
      /allowed are fcm, hms/,
    );
    await fails(['send', '--topic', 'news', '--title', 'x', '--at', '2100-01-01T09:00'], 2, /with its zone/);
    await fails(['send', '--topic', 'news', '--title', 'x', '--open', 'news'], 2, /--open is "news"/);
    await fails(['send', '--topik', 'news'], 2, /Unknown option '--topik'/);
  });

  test("send passes on the server's own words", async () => {
    await fails(
      ['send', '--topic', 'news', '--title', 'x', '--provider', 'apns'],
      1,
      /bad request: notification\.apns: provider apns is not enabled here; enabled: webpush \(code 107\)/,
    );
  });

  test('devices list shows them without their tokens, page by page, and remove removes them', async () => {
    const ids = [await register('dora-1', 'dora', ['b', 'a']), await register('dora-2', 'dora', [])];
    const listed = await command(['devices', 'list', '--user', 'dora']);
    assert.match(
      listed.stdout,
      new RegExp(`${ids[0]}  web  -  dora  \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d  a b\n`),
    );
    assert.match(listed.stdout, /\n2 devices\n$/);
    assert.doesNotMatch(listed.stdout, /127\.0\.0\.1/);

    const json = await command(['devices', 'list', '--user', 'dora', '--limit', '1', '--json']);
    assert.deepEqual(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).user),
      ['dora'],
    );

    await command(['devices', 'remove', ids[0] as string]);
    assert.match((await command(['devices', 'list', '--user', 'dora'])).stdout, /\n1 device\n$/);
    await command(['devices', 'remove', '--user', 'dora']);
    assert.equal((await command(['devices', 'list', '--user', 'dora'])).stdout, '0 devices\n');
    await fails(['devices', 'remove'], 2, /which\? Name ids, or a --user/);
    await fails(['devices', 'remove', '--topic', 'news'], 2, /--topic does not go with remove/);
    await fails(
      ['devices', 'list', '--limit', '0'],
      2,
      /--limit is "0": allowed is a whole number from 1 on/,
    );
    await fails(['devices'], 2, /list, or remove with ids or a --user\?/);
  });

  test('no key, a wrong key, no server and another server are told apart', async () => {
    const args = ['devices', 'list'];
    const elsewhere = join(folder, 'elsewhere');
    await fails(args, 1, /no API key: set CARILLON_HTTP_API_KEY, or/, { CARILLON_DATA_DIR: elsewhere });
    assert.ok(!(await readdir(folder)).includes('elsewhere'), 'no secrets were made');
    await fails(args, 1, /does not take this API key/, { CARILLON_HTTP_API_KEY: 'wrong' });
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await fails([...args, '--url', `http://127.0.0.1:${port}`], 1, /no server answers at http/);
    await fails([...args, '--url', `${carillon.url}/no`], 1, /there is no server API at/);
    await fails([...args, '--url', 'carillon'], 2, /--url is "carillon": allowed is an http or https URL/);
  });
});
