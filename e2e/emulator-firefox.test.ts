import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { type PushEmulator, startPushEmulator } from 'push-emulator';
import webPush from 'web-push';
import { type Desktop, startDesktop } from './support/desktop.ts';
import { launchFirefox } from './support/firefox.ts';
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

suite('a stock Firefox and the emulator', { skip: missing('firefox', 'dbus') }, () => {
  let profile: string;
  let desktop: Desktop;
  let emulator: PushEmulator;
  let site: Server;
  let origin: string;
  let browser: Browser;
  let page: Page;

  before(async () => {
    profile = await mkdtemp(join(tmpdir(), 'firefox-'));
    desktop = await startDesktop();
    emulator = await startPushEmulator();
    site = createServer(({ url }, response) => {
      const isWorker = url === '/sw.js';
      response.setHeader('Content-Type', isWorker ? 'text/javascript' : 'text/html');
      response.end(isWorker ? WORKER : PAGE);
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    browser = await launchFirefox({ desktop, emulator, origins: [origin], profile });
    page = await browser.newPage();
    await page.goto(origin);
  });

  after(async () => {
    await browser?.close();
    site?.close();
    site?.closeAllConnections();
    await emulator?.close();
    await desktop?.close();
    await rm(profile, { recursive: true, force: true });
  });

  let subscription: webPush.PushSubscription;

  test('a page subscribes', async () => {
    subscription = (await page.evaluate(`(async () => {
      const registration = await navigator.serviceWorker.register('/sw.js');
      await navigator.serviceWorker.ready;
      const subscription = await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: '${vapid.publicKey}',
      });
      return subscription.toJSON();
    })()`)) as webPush.PushSubscription;
    assert.equal(new URL(subscription.endpoint).origin, emulator.url);
    assert.equal(emulator.subscriptions().length, 1);
  });

  test('a push rings with the tab closed, and a click opens the window', async () => {
    await page.close();
    const status = await send(subscription, { title: 'Hello', body: 'from afar', url: `${origin}/opened` });
    assert.equal(status, 201);
    const shown = await desktop.waitForNotification(({ summary }) => summary === 'Hello');
    assert.equal(shown.body, 'from afar');
    desktop.click(shown.id);
    await browser.waitForTarget((target) => target.url() === `${origin}/opened`);
    const [record] = emulator.messages();
    assert.equal(record?.acknowledgeCode, 100);
    assert.equal(record?.nackCode, undefined);
  });

  test('a push that came while the socket was cut arrives after it', async () => {
    emulator.disconnect();
    await send(subscription, { title: 'Late', body: 'but here', url: origin });
    await desktop.waitForNotification(({ summary }) => summary === 'Late');
  });

  test('a push that came while Firefox was closed rings when it starts again, with no page open', async () => {
    await browser.close();
    await send(subscription, { title: 'Overnight', body: 'waited', url: origin });
    await emulator.waitFor(({ state }) => state === 'waiting');
    browser = await launchFirefox({ desktop, emulator, origins: [origin], profile });
    await desktop.waitForNotification(({ summary }) => summary === 'Overnight');
    assert.equal(emulator.messages().at(-1)?.nackCode, undefined);
  });

  async function send(to: webPush.PushSubscription, payload: object): Promise<number> {
    const { endpoint, method, headers, body } = webPush.generateRequestDetails(to, JSON.stringify(payload), {
      vapidDetails: { subject: 'mailto:test@example.com', ...vapid },
      TTL: 60,
    });
    const response = await fetch(endpoint, { method, headers: headers as Record<string, string>, body });
    return response.status;
  }
});
