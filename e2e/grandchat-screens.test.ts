import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { checkScreens } from '../apps/grandchat/web/test/support/screens.ts';
import { startApp } from './support/app.ts';
import { missing } from './support/requires.ts';

suite('GrandChat’s screens', { skip: missing('chromium') }, () => {
  test('F13: no screen has axe violations, asks another host or sticks out sideways, on a phone and a desktop, light and dark', async () => {
    const app = await startApp();
    try {
      assert.deepEqual(await checkScreens(app.origin), []);
    } finally {
      await app.close();
    }
  });
});
