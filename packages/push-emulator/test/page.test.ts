import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type PushEmulator, startPushEmulator } from '../src/index.ts';

suite('the live page', () => {
  let emulator: PushEmulator;
  before(async () => {
    emulator = await startPushEmulator();
  });
  after(() => emulator.close());

  test('is served with its files, and may run and load nothing else', async () => {
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/page.css', 'text/css'],
      ['/page.js', 'text/javascript'],
    ]) {
      const response = await fetch(emulator.url + path);
      assert.equal(response.status, 200);
      assert.ok(response.headers.get('content-type')?.startsWith(type!));
      const policy = response.headers.get('content-security-policy')!;
      assert.match(policy, /default-src 'none'; script-src 'self';/);
      assert.doesNotMatch(policy, /unsafe/);
      assert.doesNotMatch(await response.text(), /<script>|<style|\son\w+=|innerHTML|insertAdjacentHTML/);
    }
  });

  test('is read alone, and nothing beside it is served', async () => {
    assert.equal((await fetch(emulator.url, { method: 'POST' })).status, 404);
    assert.equal((await fetch(`${emulator.url}/page.ts`)).status, 404);
    assert.equal((await fetch(`${emulator.url}/constructor`)).status, 404);
  });
});
