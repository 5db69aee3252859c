// Push in CI with Puppeteer: a stock Chrome subscribes, your server's push rings. `npm install -D push-emulator puppeteer web-push`
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { chromiumArguments, emulatorAgent, startPushEmulator } from 'push-emulator';
import webPush from 'web-push';
import { startSite } from './site.mjs';

test('a push becomes a notification', async () => {
  const emulator = await startPushEmulator();
  const site = await startSite();
  const agent = emulatorAgent(emulator);
  const profile = await mkdtemp(join(tmpdir(), 'push-'));
  const browser = await puppeteer.launch({
    ...(process.env.CHROME_PATH ? { executablePath: process.env.CHROME_PATH } : { channel: 'chrome' }),
    userDataDir: profile,
    args: chromiumArguments(emulator, { isOffline: true }),
  });
  try {
    await browser.defaultBrowserContext().overridePermissions(site.origin, ['notifications']);
    const page = await browser.newPage();
    await page.goto(site.origin);
    const vapidDetails = { subject: 'mailto:you@example.com', ...webPush.generateVAPIDKeys() };
    const subscription = await page.evaluate((key) => globalThis.subscribe(key), vapidDetails.publicKey);

    // In a test of yours, this is what your server does.
    await webPush.sendNotification(subscription, 'Lunch at noon?', { vapidDetails, agent, TTL: 60 });

    await emulator.waitFor(({ state }) => state === 'acknowledged');
    await page.waitForFunction(() => globalThis.titles().then((titles) => titles.includes('Lunch at noon?')));

    emulator.unsubscribe(emulator.subscriptions()[0].endpoint);
    await assert.rejects(webPush.sendNotification(subscription, 'again', { vapidDetails, agent, TTL: 60 }), {
      statusCode: 410,
    });
  } finally {
    await browser.close();
    agent.destroy();
    await site.close();
    await emulator.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
