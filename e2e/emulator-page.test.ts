import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type PushEmulator, startPushEmulator } from 'push-emulator';
import { chromiumPath } from '../scripts/setup/system-packages.ts';
import { requireNetwork } from './support/chromium.ts';
import { missing } from './support/requires.ts';

const HOSTILE = '<img src=x onerror="globalThis.isBroken = true"><script>globalThis.isBroken = true</script>';
const PROJECT = 'page-test';

suite('the emulator’s live page', { skip: missing('chromium') }, () => {
  let emulator: PushEmulator;
  let browser: Browser;

  before(async () => {
    emulator = await startPushEmulator();
    emulator.serviceAccount({ projectId: PROJECT });
    browser = await chromium.launch({ executablePath: chromiumPath()!, args: ['--no-sandbox'] });
  });
  after(async () => {
    await browser?.close();
    await emulator?.close();
  });

  async function send(
    title: string,
    token = emulator.fcm.createToken({ projectId: PROJECT }),
  ): Promise<void> {
    await fetch(`${emulator.url}/v1/projects/${PROJECT}/messages:send`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${emulator.accessToken(PROJECT)}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ message: { token, notification: { title } } }),
    });
  }

  async function open(options: { colorScheme?: 'light' | 'dark'; width?: number } = {}): Promise<Page> {
    const { colorScheme = 'light', width = 1280 } = options;
    emulator.forgetMessages();
    emulator.faults.clear();
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    await page.goto(emulator.url);
    await page.getByText('live', { exact: true }).waitFor();
    return page;
  }

  test('shows a push as it comes, why one was refused, and what it said', async () => {
    const page = await open();
    const gone = emulator.fcm.createToken({ projectId: PROJECT });
    emulator.fcm.unregister(gone);
    await send('Lunch at noon?');
    await send('Nobody there', gone);
    await page.getByText('2 of 2 pushes shown').waitFor();
    await page.getByText('Requested entity was not found.').waitFor();
    await page.getByLabel('State').selectOption('accepted');
    await page.getByText('1 of 2 pushes shown').waitFor();
    await page.getByRole('button', { name: 'accepted 200' }).press('Enter');
    await page.getByRole('dialog').getByText('Lunch at noon?').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Clear pushes' }).click();
    await page.getByText('No pushes yet').waitFor();
    assert.deepEqual(emulator.messages(), []);
    await page.close();
  });

  test('a hostile payload and target are text', async () => {
    const page = await open();
    await send(HOSTILE);
    await send(HOSTILE, HOSTILE);
    await page.getByText('2 of 2 pushes shown').waitFor();
    for (const row of await page.locator('#pushes button').all()) {
      await row.click();
      await page.getByRole('dialog').getByText('globalThis.isBroken').first().waitFor();
      await page.getByRole('button', { name: 'Close', exact: true }).click();
    }
    assert.equal(await page.evaluate('globalThis.isBroken'), undefined);
    assert.equal(await page.locator('main img, main script, dialog img, dialog script').count(), 0);
    await page.close();
  });

  test('faults are added and cleared, and a wrong one is told in words', async () => {
    const page = await open();
    await page.locator('#fault-panel summary').click();
    await page.getByLabel('Kind').selectOption('status');
    await page.getByLabel('Share of targets, %').fill('10');
    await page.getByLabel('Times').fill('');
    await page.getByRole('button', { name: 'Add fault' }).click();
    await page.getByText('share 0.1').waitFor();
    assert.deepEqual(emulator.faults.all(), [{ kind: 'status', status: 503, share: 0.1, times: null }]);
    await page.getByLabel('Kind').selectOption('error');
    await page.getByRole('button', { name: 'Add fault' }).click();
    await page.getByRole('alert').getByText('fault.').waitFor();
    await page.getByRole('button', { name: 'Clear faults' }).click();
    await page.getByText('share 0.1').waitFor({ state: 'detached' });
    assert.deepEqual(emulator.faults.all(), []);
    await page.close();
  });

  test('keeps the newest 500 rows', async () => {
    const page = await open();
    await send('the first');
    for (let i = 0; i < 500; i++) await send(`number ${i}`);
    await page.getByText('of 501 pushes shown').waitFor();
    assert.equal(await page.locator('#pushes > li').count(), 500);
    await page.close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [390, 1280]) {
      test(`${colorScheme}, ${width} wide: no axe violations, nothing sticks out sideways`, async () => {
        const axe = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
        const page = await open({ colorScheme, width });
        const gone = emulator.fcm.createToken({ projectId: PROJECT });
        emulator.fcm.unregister(gone);
        await send('Lunch at noon?');
        await send('x'.repeat(300), gone);
        await page.getByText('2 of 2 pushes shown').waitFor();
        await page.getByText('How to connect').click();
        await page.locator('#fault-panel summary').click();
        const check = async () => {
          const { violations } = await page.evaluate<AxeResults>(`${axe}; axe.run(document)`);
          assert.deepEqual(
            violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
            [],
          );
          assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width);
        };
        await check();
        await page.locator('#pushes button').first().click();
        await check();
        await page.close();
      });
    }
  }

  for (const name of ['playwright', 'puppeteer']) {
    test(`the README’s example with ${name} runs`, async () => {
      requireNetwork();
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const file = fileURLToPath(
        new URL(`../packages/push-emulator/examples/${name}.test.mjs`, import.meta.url),
      );
      await promisify(execFile)(process.execPath, [file], { env: { ...env, CHROME_PATH: chromiumPath()! } });
    });
  }
});
