import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { type PushEmulator, startPushEmulator } from 'push-emulator';
import { build } from 'vite';
import webPush from 'web-push';
import { type Desktop, startDesktop } from './support/desktop.ts';
import { launchFirefox } from './support/firefox.ts';
import { missing } from './support/requires.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGE = `<!doctype html><title>test page</title><button>Subscribe</button><script type="module">
import * as client from '/client.js';
Object.assign(window, { client });
document.querySelector('button').onclick = () => {
  window.subscribed = client.subscribe({ vapidPublicKey: window.key, serviceWorkerUrl: '/sw.js' });
};
</script>`;

/** What the page and GrandChat's worker tell their backend, which is here in its place. */
interface Registration {
  readonly device: { readonly token: string; readonly platform: string };
}

// GrandChat's own service worker, before a backend of the test's own: what goes wrong outside of GrandChat.
suite('push-client in a stock Firefox', { skip: missing('firefox', 'dbus') }, () => {
  const vapid = webPush.generateVAPIDKeys();
  const newVapid = webPush.generateVAPIDKeys();
  const registrations: Registration[] = [];
  let desktop: Desktop;
  let emulator: PushEmulator;
  let site: Server;
  let browser: Browser;
  let page: Page;
  let subscription: webPush.PushSubscription;
  let messageId = 0;

  before(async () => {
    const files = new Map([
      ['/client.js', await bundle('packages/push-client/src/index.ts')],
      ['/sw.js', await bundle('apps/grandchat/web/src/sw.ts')],
    ]);
    desktop = await startDesktop();
    emulator = await startPushEmulator();
    site = createServer(async (request, response) => {
      const { url = '', headers } = request;
      if (url === '/api/device/register/' && headers['x-csrftoken'] === 'a token') {
        registrations.push(JSON.parse(Buffer.concat(await request.toArray()).toString()));
        site.emit('registered');
      }
      if (url === '/api/csrf/') response.setHeader('X-CSRFToken', 'a token');
      if (url.startsWith('/api/')) {
        const push_notifications = { enabled: true, vapid_public_key: vapid.publicKey };
        response.end(JSON.stringify({ push_notifications }));
      } else {
        response.setHeader('Content-Type', files.has(url) ? 'text/javascript' : 'text/html');
        response.end(files.get(url) ?? PAGE);
      }
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    browser = await launchFirefox({ desktop, emulator, origins: [origin] });
    page = await browser.newPage();
    await page.goto(origin);
  });

  after(async () => {
    await browser?.close();
    site?.close();
    site?.closeAllConnections();
    await emulator?.close();
    await desktop?.close();
  });

  test('a click subscribes, with the worker active, and gives a device to register', async () => {
    await page.evaluate(`window.key = '${vapid.publicKey}'`);
    await page.locator('button').click();
    const device = (await page.evaluate(
      'window.subscribed.then(client.deviceFrom)',
    )) as Registration['device'];
    assert.equal(device.platform, 'web');
    subscription = JSON.parse(device.token);
    assert.equal(subscription.endpoint, emulator.subscriptions()[0]?.endpoint);
  });

  test('pushes that come at the same moment are one notification', async () => {
    await Promise.all(['one', 'two', 'three'].map((text) => send(message('hall', text))));
    const merged = await desktop.waitForNotification(({ body }) => body.startsWith('3 new messages'));
    assert.deepEqual(merged.body.split('\n').slice(1).sort(), ['ann: one', 'ann: three', 'ann: two']);
    assert.equal(desktop.notifications().length, 1);
  });

  test('a push that nobody understands shows something general', async () => {
    await send('no JSON');
    const shown = await desktop.waitForNotification(({ summary }) => summary === 'GrandChat');
    assert.equal(shown.body, 'You have a new message.');
  });

  test('when the push service loses the subscription, the worker registers a new one', async () => {
    const registered = once(site, 'registered');
    emulator.loseSubscriptions();
    await registered;
    const renewed = JSON.parse(registrations[0]!.device.token) as webPush.PushSubscription;
    assert.notEqual(renewed.endpoint, subscription.endpoint);
    subscription = renewed;
    await send(message('hall', 'found again'));
    await desktop.waitForNotification(({ body }) => body.includes('found again'));
  });

  test('a changed VAPID key renews the subscription at the next start, and only then', async () => {
    const ensure = async (key: string) => {
      const token = await page.evaluate(
        `client.ensureSubscription({ vapidPublicKey: '${key}', serviceWorkerUrl: '/sw.js' })
          .then((subscription) => client.deviceFrom(subscription).token)`,
      );
      return (JSON.parse(String(token)) as webPush.PushSubscription).endpoint;
    };
    assert.equal(await ensure(vapid.publicKey), subscription.endpoint);
    const renewed = await ensure(newVapid.publicKey);
    assert.notEqual(renewed, subscription.endpoint);
    const alive = emulator.subscriptions().filter(({ goneAt }) => goneAt === undefined);
    assert.deepEqual(
      alive.map(({ endpoint, key }) => [endpoint, key]),
      [[renewed, newVapid.publicKey]],
    );
  });

  test('unsubscribing ends it at the push service', async () => {
    assert.equal(await page.evaluate('client.unsubscribe()'), true);
    assert.ok(emulator.subscriptions().every(({ goneAt }) => goneAt !== undefined));
  });

  function message(room: string, text: string): object {
    messageId += 1;
    const notification = { title: room, body: `ann: ${text}`, tag: room, data: { message_id: messageId } };
    return { web_push: 8030, notification };
  }

  async function send(payload: object | string): Promise<void> {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const { endpoint, method, headers, body } = webPush.generateRequestDetails(subscription, text, {
      vapidDetails: { subject: 'mailto:test@example.com', ...vapid },
      TTL: 60,
    });
    const response = await fetch(endpoint, { method, headers: headers as Record<string, string>, body });
    assert.equal(response.status, 201);
  }
});

/** One of our TypeScript entry points as a script for the browser. */
async function bundle(entry: string): Promise<string> {
  const built = await build({
    root: ROOT,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      rolldownOptions: {
        input: join(ROOT, entry),
        preserveEntrySignatures: 'strict',
        output: { format: 'es' },
      },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  if (!output || !('output' in output)) throw new Error(`${entry} was not built`);
  return output.output[0].code;
}
