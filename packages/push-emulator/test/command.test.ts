import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, suite, test } from 'node:test';

const COMMAND = join(import.meta.dirname, '..', 'bin', 'push-emulator.mjs');

suite('the command', () => {
  let child: ChildProcess | undefined;

  afterEach(() => {
    child?.kill('SIGKILL');
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

  test('prints what to set in Firefox, serves, shows what comes, and ends on a signal', async () => {
    const { until, ended } = run('--port', '0');
    const [, url] = await until(/Endpoints begin with (http:\S+)\/wpush\//);
    const [, wsUrl] = await until(/dom\.push\.serverURL\s+(ws:\S+)/);
    assert.equal(wsUrl, `${url!.replace('http:', 'ws:')}/`);
    const response = await fetch(`${url}/wpush/v2/nobody`, { method: 'POST' });
    assert.equal(response.status, 404);
    await until(/refused {2}404 {2}Invalid token/);
    child!.kill('SIGTERM');
    assert.equal((await ended).code, 0);
  });

  test('names a wrong option, its value and what is allowed', async () => {
    const { code, text } = await run('--port', 'http').ended;
    assert.equal(code, 1);
    assert.match(text, /--port is "http": 0 to 65535 is allowed/);
  });
});
