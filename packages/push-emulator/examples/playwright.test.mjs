// Push in CI with Playwright: a stock Chromium subscribes, your server's push rings. `npm install -D push-emulator playwright web-push`
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumArguments, emulatorAgent, startPushEmulator } from 'push-emulator';
import webPush from 'web-push';
import { startSite } from './site.mjs';

test('a push becomes a notification', async () => {
  const emulator = await startPushEmulator();
  const site = await startSite();
  const agent = emulatorAgent(emulator);
  // Push needs a profile of its own: in a throw-away context subscribing fails.
  const profile = await mkdtemp(join(tmpdir(), 'push-'));
  const browser = await chromium.launchPersistentContext(profile, {
    // Playwright's own headless shell has no push: `chromium` is the whole browser.
    ...(process.env.CHROME_PATH ? { executablePath: process.env.CHROME_PATH } : { channel: 'chromium' }),
    args: chromiumArguments(emulator, { isOffline: true }),
  });
  try {
    await browser.grantPermissions(['notifications'], { origin: site.origin });
    const page = await browser.newPage();
    await page.goto(site.origin);
    const vapidDetails = { subject: 'mailto:you@example.com', ...webPush.generateVAPIDKeys() };
    const subscription = await page.evaluate((key) => globalThis.subscribe(key), vapidDetails.publicKey);

    // In a test of yours, this is what your server does.
    await webPush.sendNotification(subscription, 'Lunch at noon?', { vapidDetails, agent, TTL: 60 });

    await emulator.waitFor(({ state }) => state === 'acknowledged');
    await page.waitForFunction(() => globalThis.titles().then((titles) => titles.includes('Lunch at noon?')));

    emulator.faults.add({ kind: 'status', status: 429, retryAfter: 60 });
    await assert.rejects(webPush.sendNotification(subscription, 'again', { vapidDetails, agent, TTL: 60 }), {
      statusCode: 429,
    });
  } finally {
    await browser.close();
    agent.destroy();
    await site.close();
    await emulator.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
