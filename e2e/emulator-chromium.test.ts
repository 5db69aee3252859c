import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { Agent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { emulatorAgent, type PushEmulator, startPushEmulator } from 'push-emulator';
import webPush from 'web-push';
import { launchChromium } from './support/chromium.ts';
import { type Desktop, startDesktop } from './support/desktop.ts';
import { missing } from './support/requires.ts';

const PAGE = '<!doctype html><title>test page</title><button>Subscribe</button>';
const WORKER = `
addEventListener('push', (event) => {
  const { title, body, url } = event.data.json();
  event.waitUntil(registration.showNotification(title, { body, data: url }));
});
addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(clients.openWindow(event.notification.data));
});`;

const vapid = webPush.generateVAPIDKeys();

suite('a stock Chromium and the emulator', { skip: missing('chromium', 'dbus') }, () => {
  let profile: string;
  let desktop: Desktop;
  let emulator: PushEmulator;
  let agent: Agent;
  let site: Server;
  let origin: string;
  let browser: BrowserContext;
  let page: Page;

  before(async () => {
    profile = await mkdtemp(join(tmpdir(), 'chromium-'));
    desktop = await startDesktop();
    emulator = await startPushEmulator();
    agent = emulatorAgent(emulator);
    site = createServer(({ url }, response) => {
      const isWorker = url === '/sw.js';
      response.setHeader('Content-Type', isWorker ? 'text/javascript' : 'text/html');
      response.end(isWorker ? WORKER : PAGE);
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    origin = `http://localhost:${(site.address() as AddressInfo).port}`;
    browser = await launchChromium({ desktop, emulator, origins: [origin], profile });
    page = await browser.newPage();
    await page.goto(origin);
  });

  after(async () => {
    await browser?.close();
    site?.close();
    site?.closeAllConnections();
    agent?.destroy();
    await emulator?.close();
    await desktop?.close();
    await rm(profile, { recursive: true, force: true });
  });

  let subscription: webPush.PushSubscription;

  test('a page subscribes', async () => {
    subscription = await page.evaluate(`(async () => {
      const registration = await navigator.serviceWorker.register('/sw.js');
      await navigator.serviceWorker.ready;
      const subscription = await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: '${vapid.publicKey}',
      });
      return subscription.toJSON();
    })()`);
    assert.equal(new URL(subscription.endpoint).protocol, 'https:');
    assert.partialDeepStrictEqual(emulator.subscriptions(), [
      {
        service: 'chromium',
        key: vapid.publicKey,
        endpoint: emulator.url + new URL(subscription.endpoint).pathname,
      },
    ]);
  });

  test('a push rings with the tab closed, and a click opens the window', async () => {
    await page.close();
    const { statusCode } = await send({ title: 'Hello', body: 'from afar', url: `${origin}/opened` });
    assert.equal(statusCode, 201);
    const shown = await desktop.waitForNotification(({ summary }) => summary === 'Hello');
    assert.match(shown.body, /from afar/);
    const opened = browser.waitForEvent('page', (other) => other.url() === `${origin}/opened`);
    desktop.click(shown.id);
    await opened;
    await emulator.waitFor(({ state }) => state === 'acknowledged');
  });

  test('a push that came while Chromium was closed rings when it starts again, with no page open', async () => {
    await browser.close();
    await send({ title: 'Overnight', body: 'waited', url: origin });
    await emulator.waitFor(({ state }) => state === 'waiting');
    browser = await launchChromium({ desktop, emulator, origins: [origin], profile });
    await desktop.waitForNotification(({ summary }) => summary === 'Overnight', { timeoutMs: 30_000 });
    assert.equal(desktop.history().filter(({ summary }) => summary === 'Hello').length, 1);
  });

  function send(payload: object): Promise<webPush.SendResult> {
    return webPush.sendNotification(subscription, JSON.stringify(payload), {
      vapidDetails: { subject: 'mailto:test@example.com', ...vapid },
      TTL: 600,
      agent,
    });
  }
});
