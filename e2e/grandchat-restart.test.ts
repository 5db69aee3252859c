import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { type PushEmulator, startPushEmulator } from 'push-emulator';
import { launchChromium } from '../apps/grandchat/web/test/support/chromium.ts';
import { Person } from './support/person.ts';
import { missing } from './support/requires.ts';
import { type Stack, startStack } from './support/stack.ts';

const READY_MS = 30_000;

suite('GrandChat while Carillon is away', { skip: missing('chromium', 'postgresql') }, () => {
  let emulator: PushEmulator;
  let stack: Stack;
  let browser: Browser;

  before(async () => {
    emulator = await startPushEmulator();
    stack = await startStack({ emulator });
    browser = await launchChromium();
  });

  after(async () => {
    await browser?.close();
    await stack?.close();
    await emulator?.close();
  });

  test('after kill -9 an open page comes back by itself, with all that was written meanwhile, once, and its own writing has gone out', async () => {
    const ann = await Person.signUp(stack.origin, 'ann');
    const bob = await Person.signUp(stack.origin, 'bob');
    const room = await ann.createRoom('Open all night');
    await bob.join(room);
    const page = await (await browser.newContext()).newPage();
    await page.goto(stack.origin);
    await page.getByTestId('login-username').fill(bob.username);
    await page.getByTestId('login-password').fill(bob.password);
    await page.getByTestId('login-submit').click();
    await page.getByTestId(`room-item-${room}`).click();
    const connection = (state: string) =>
      page
        .locator(`[data-testid="connection-state"][data-state="${state}"]`)
        .waitFor({ state: 'attached', timeout: READY_MS });
    const shows = (text: string) =>
      page.locator('.bubble').getByText(text, { exact: true }).waitFor({ timeout: READY_MS });
    await connection('connected');
    await ann.write(room, 'Before');
    await shows('Before');
    await page.evaluate("window.marker = 'the same page'");

    await stack.killCarillon();
    await connection('connecting');
    await ann.write(room, 'While it was down');
    await page.getByTestId('composer').fill('Mine, meanwhile');
    await page.getByTestId('composer').press('Enter');
    await shows('Mine, meanwhile');
    await page.locator('.pill', { hasText: 'Connecting' }).waitFor();

    await stack.startCarillon();
    await connection('connected');
    await ann.write(room, 'After');
    await shows('After');
    assert.deepEqual(await page.locator('.bubble').allTextContents(), [
      'Before',
      'While it was down',
      'Mine, meanwhile',
      'After',
    ]);
    assert.equal(
      await page.locator('.message:not([data-testid^="message-"])').count(),
      0,
      'nothing is pending',
    );
    assert.equal(await page.evaluate('window.marker'), 'the same page');
  });
});
