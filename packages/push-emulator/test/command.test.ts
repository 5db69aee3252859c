import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';

const COMMAND = join(import.meta.dirname, '..', 'bin', 'push-emulator.mjs');
const ANY_PORTS = ['--port', '0', '--https-port', '0', '--apns-port', '0', '--mcs-port', '0'];

suite('the command', () => {
  let child: ChildProcess | undefined;
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'command-'));
  });
  afterEach(async () => {
    child?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  /** Gathers what it prints; `until` resolves with it once it matches. */
  function run(...args: string[]) {
    let text = '';
    const started = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (text += chunk));
    const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
      for (;;) {
        const match = pattern.exec(text);
        if (match) return match;
        await once(started.stdout, 'data');
      }
    };
    return { until, ended: once(started, 'close').then(([code]) => ({ code, text })) };
  }

  /** A program that notes its arguments and its profile's user.js, and waits, or ends with a code. */
  async function fakeBrowser(end: string): Promise<string> {
    const program = join(folder, 'browser');
    await writeFile(
      program,
      `#!/bin/sh
echo "$@" > ${folder}/arguments
for last in "$@"; do [ -f "$last/user.js" ] && cp "$last/user.js" ${folder}/user.js; done
${end}
`,
      { mode: 0o755 },
    );
    return program;
  }

  test('prints what to set in the browsers, serves, shows what comes, and ends on a signal', async () => {
    const { until, ended } = run(...ANY_PORTS, '--data', join(folder, 'data'));
    const [, url] = await until(/Endpoints begin with (http:\S+)\/wpush\//);
    const [, wsUrl] = await until(/dom\.push\.serverURL\s+(ws:\S+)/);
    assert.equal(wsUrl, `${url!.replace('http:', 'ws:')}/`);
    const [, mcsUrl] = await until(/message socket\s+(https:\S+)/);
    await until(new RegExp(`'--gcm-mcs-endpoint=${mcsUrl}'`));
    const [, caFile] = await until(/certificate authority\s+(\S+)/);
    assert.match(await readFile(caFile!, 'utf8'), /BEGIN CERTIFICATE/);
    const response = await fetch(`${url}/wpush/v2/nobody`, { method: 'POST' });
    assert.equal(response.status, 404);
    await until(/mozilla {2}refused {2}404 {2}Invalid token/);
    child!.kill('SIGTERM');
    assert.equal((await ended).code, 0);
  });

  test('has faults from the start', async () => {
    const { until, ended } = run(
      ...ANY_PORTS,
      '--fault',
      '{"kind":"delay","ms":1}',
      '--fault',
      '{"kind":"reset"}',
    );
    const [, url] = await until(/remote control\s+(http:\S+)\/control/);
    const faults = await (await fetch(`${url}/control/faults`)).json();
    assert.partialDeepStrictEqual(faults, [{ kind: 'delay' }, { kind: 'reset' }]);
    child!.kill('SIGINT');
    assert.equal((await ended).code, 0);
  });

  test('starts Chrome with a profile of its own and the URL, ends with it, and leaves no profile behind', async () => {
    const program = await fakeBrowser('exit 0');
    const { code, text } = await run('chrome', 'http://localhost:9000', ...ANY_PORTS, '--browser', program)
      .ended;
    assert.equal(code, 0, text);
    const given = await readFile(join(folder, 'arguments'), 'utf8');
    assert.match(given, /--gcm-checkin-url=http:\S+\/checkin .* http:\/\/localhost:9000$/m);
    const [, profile] = /--user-data-dir=(\S+)/.exec(given)!;
    await assert.rejects(access(profile!), { code: 'ENOENT' });
  });

  test('starts Firefox with its preferences in a profile that stays, and ends it on a signal', async () => {
    const profile = join(folder, 'profile');
    const program = await fakeBrowser('echo ready >&2; exec sleep 600');
    const { until, ended } = run(
      'firefox',
      'http://localhost:9000',
      ...ANY_PORTS,
      '--browser',
      program,
      '--profile',
      profile,
    );
    const [, url] = await until(/remote control\s+(http:\S+)\/control/);
    for (;;) {
      const seen = await readFile(join(folder, 'user.js'), 'utf8').catch(() => '');
      if (seen.endsWith(');\n')) break;
    }
    const preferences = await readFile(join(profile, 'user.js'), 'utf8');
    assert.match(
      preferences,
      new RegExp(`user_pref\\("dom.push.serverURL", "${url!.replace('http', 'ws')}/"\\);`),
    );
    child!.kill('SIGTERM');
    assert.equal((await ended).code, 0);
    await access(profile);
  });

  test('tells why a browser failed', async () => {
    const program = await fakeBrowser('echo "cannot open display" >&2; exit 3');
    const { code, text } = await run('chrome', ...ANY_PORTS, '--browser', program).ended;
    assert.equal(code, 1);
    assert.match(text, /ended with code 3: cannot open display/);
  });

  test('says when a port is taken, which, and by which option', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, text } = await run('--port', '0', '--https-port', String(port)).ended;
    other.close();
    assert.equal(code, 1);
    assert.match(text, new RegExp(`--https-port ${port}: another program listens there`));
  });

  for (const [args, words] of [
    [['--port', 'http'], /--port is "http": 0 to 65535 is allowed/],
    [['--mcs-port', '99999'], /--mcs-port is "99999": 0 to 65535 is allowed/],
    [['opera'], /"opera" is no browser: chrome, firefox are allowed/],
    [['chrome', 'localhost:9000'], /the URL is "localhost:9000": http: or https: is expected/],
    [['--profile', 'x'], /--profile and --browser go with chrome or firefox/],
    [[...ANY_PORTS, '--fault', 'boom'], /--fault is "boom": JSON is expected/],
    [[...ANY_PORTS, '--fault', '{"kind":"explode"}'], /fault\.kind is "explode"/],
    [['chrome', ...ANY_PORTS, '--browser', '/nowhere/chrome'], /\/nowhere\/chrome/],
  ] as const) {
    test(`names what is wrong with ${args.slice(-2).join(' ')}`, async () => {
      const { code, text } = await run(...args).ended;
      assert.equal(code, 1);
      assert.match(text, words);
    });
  }
});
