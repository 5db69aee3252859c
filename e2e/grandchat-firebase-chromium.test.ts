import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loadSecrets } from 'carillon';
import { type PushEmulator, startPushEmulator } from 'push-emulator';
import webPush from 'web-push';
import { type App, startApp } from './support/app.ts';
import { launchChromium } from './support/chromium.ts';
import { type Desktop, type DesktopNotification, startDesktop } from './support/desktop.ts';
import { GrandChatChromium } from './support/grandchat-chromium.ts';
import { Person } from './support/person.ts';
import { missing } from './support/requires.ts';

const PROJECT = 'grandchat-demo';
/** Where Debian's Chromium has its native subscriptions. */
const COMMON = {
  CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_EXTRA_ALLOWED_ENDPOINT_ORIGINS: 'https://*.google.com',
};
/** Chromium takes some seconds to find its push service again. */
const RESTART_MS = 30_000;

interface Device {
  readonly id: string;
  readonly provider: string;
  readonly token: string;
}

// Ann is at another place, by REST. Bob is before Chromium.
suite('GrandChat rings a stock Chromium through Firebase', { skip: missing('chromium', 'dbus') }, () => {
  const vapid = webPush.generateVAPIDKeys();
  let folder: string;
  let desktop: Desktop;
  let emulator: PushEmulator;
  let app: App;
  let chromium: GrandChatChromium;
  let apiKey: string;
  let ann: Person;
  let bob: Person;
  /** URLs that pages asked for, beyond our own. */
  const asked: string[] = [];
  /** A room for each test that counts, so that what one leaves on the screen is nothing to the next. */
  const rooms = { garden: 0, kitchen: 0, library: 0, workshop: 0, attic: 0, cellar: 0 };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'firebase-'));
    desktop = await startDesktop();
    emulator = await startPushEmulator();
    const credentials = join(folder, 'fcm.json');
    await writeFile(credentials, emulator.serviceAccount({ projectId: PROJECT }));
    app = await startApp({
      env: {
        ...COMMON,
        GRANDCHAT_FIREBASE_CONFIG: JSON.stringify({
          apiKey: 'an API key',
          appId: '1:1234567890:web:abcdef',
          messagingSenderId: '1234567890',
          projectId: PROJECT,
        }),
        GRANDCHAT_FIREBASE_VAPID_PUBLIC_KEY: vapid.publicKey,
        CARILLON_PUSH_NOTIFICATIONS_ENABLED_PROVIDERS: 'webpush,fcm',
        CARILLON_PUSH_NOTIFICATIONS_FCM_CREDENTIALS_FILE: credentials,
        CARILLON_PUSH_NOTIFICATIONS_FCM_ENDPOINT: emulator.url,
      },
    });
    ({ apiKey } = await loadSecrets(app.dataDir));
    await openChromium();
    ann = await Person.signUp(app.origin, 'ann');
    bob = await Person.signUp(app.origin, 'bobby');
    for (const name of Object.keys(rooms) as (keyof typeof rooms)[]) {
      rooms[name] = await ann.createRoom(name);
      await bob.join(rooms[name]);
    }
  });

  after(async () => {
    await chromium?.context.close();
    await app?.close();
    await emulator?.close();
    await desktop?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('before the bell nothing of Firebase is loaded; the bell gets a token and registers it', async () => {
    assert.doesNotMatch(app.output(), /Warning/);
    const page = await chromium.signIn(bob);
    await chromium.openRoom(page, rooms.garden);
    assert.deepEqual([asked, emulator.subscriptions()], [[], []]);
    await chromium.turnNotificationsOn(page);
    assert.ok(asked.some((url) => url.includes('fcmregistrations.googleapis.com')));
    const [device, ...others] = await devices();
    assert.deepEqual([device?.provider, others.length], ['fcm', 0]);
    assert.deepEqual(liveKeys(), [vapid.publicKey]);
    await page.close();
  });

  test('with the tab closed, a message is one notification, and a click opens the room', async () => {
    await ann.write(rooms.garden, 'The roses are out');
    const shown = await notification('The roses are out');
    assert.equal(shown.summary, 'garden');
    assert.match(shown.body, /ann: The roses are out/);
    await chromium.clickLeadsTo(shown, rooms.garden);
    assert.equal(times('The roses are out'), 1);
  });

  test('two messages of a room are one notification', async () => {
    await ann.write(rooms.kitchen, 'Soup is ready');
    await ann.write(rooms.kitchen, 'And bread');
    const merged = await notification('2 new messages');
    assert.match(merged.body, /2 new messages\nann: Soup is ready\nann: And bread/);
    assert.equal(onScreen('kitchen').length, 1);
    desktop.dismiss(merged.id);
  });

  test('the room in focus rings not, another one does, once, though a window is in view', async () => {
    const page = await chromium.newPage(`/rooms/${rooms.library}`);
    await page.bringToFront();
    const seen = await ann.write(rooms.library, 'Silence, please');
    await page.getByTestId(`message-${seen}`).waitFor();
    await done(seen);
    await ann.write(rooms.kitchen, 'Coffee?');
    const shown = await notification('Coffee?');
    assert.deepEqual([times('Coffee?'), times('Silence')], [1, 0]);
    await page.evaluate("window.marker = 'the same page'");
    desktop.click(shown.id);
    await page.waitForURL(roomUrl(rooms.kitchen));
    assert.equal(await page.evaluate('window.marker'), 'the same page', 'led there without a reload');
    await page.close();
  });

  test('a worker that was stopped starts for a push, and for the click', async () => {
    await chromium.stopWorkers();
    await ann.write(rooms.workshop, 'Wake up');
    const shown = await notification('Wake up');
    await chromium.stopWorkers();
    await chromium.clickLeadsTo(shown, rooms.workshop);
    assert.equal(times('Wake up'), 1);
  });

  test('a message in the tutorial’s own form, which the SDK shows, is one notification, too, and its click leads to its link', async () => {
    await call('send_push_notification', {
      recipient: { filter: { users: [String(bob.id)] } },
      notification: {
        fcm: {
          message: {
            notification: { title: 'attic', body: 'By the book' },
            webpush: {
              fcm_options: { link: roomUrl(rooms.attic).replace('http:', 'https:') },
            },
          },
        },
      },
    });
    const shown = await notification('By the book');
    await chromium.clickLeadsTo(shown, rooms.attic);
    assert.equal(times('By the book'), 1);
  });

  test('a token that has changed comes to the same device, and rings', async () => {
    const [before] = await devices();
    const page = await chromium.context.newPage();
    const started = chromium.registration(page);
    await page.goto(app.origin);
    await started;
    await page.evaluate(`(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      await (await registration.pushManager.getSubscription()).unsubscribe();
    })()`);
    const registered = chromium.registration(page);
    await page.reload();
    await registered;
    const [after, ...others] = await devices();
    assert.deepEqual([after?.id, others.length], [before?.id, 0]);
    assert.notEqual(after?.token, before?.token);
    await page.close();
    await ann.write(rooms.garden, 'And the lilies');
    await notification('And the lilies');
    assert.equal(times('And the lilies'), 1);
  });

  test('a message that came while Chromium was closed rings when it starts again, with no page open', async () => {
    await chromium.context.close();
    await done(await ann.write(rooms.cellar, 'Good morning'));
    await emulator.waitFor(({ service, state }) => service === 'chromium' && state === 'waiting');
    await openChromium();
    const shown = await notification('Good morning', RESTART_MS);
    await chromium.clickLeadsTo(shown, rooms.cellar);
    assert.equal(times('Good morning'), 1);
  });

  test('after a logout this browser rings no more, and Firebase has forgotten its token', async () => {
    const [device] = await devices();
    const page = await chromium.newPage('/');
    await chromium.logOut(page);
    assert.deepEqual(await devices(), []);
    assert.deepEqual(liveKeys(), []);
    assert.equal(await sendByFcm(device?.token ?? ''), 'UNREGISTERED');
    emulator.forgetMessages();
    await done(await ann.write(rooms.garden, 'Who is still here?'));
    assert.deepEqual([emulator.messages(), times('Who is still here?')], [[], 0]);
  });

  test('a server that goes back to native Web Push takes the browser along: one device, one subscription', async () => {
    // The tab of the last logout is still there, and signs in with this one.
    const page = await chromium.context.newPage();
    await page.goto(app.origin);
    const through = chromium.registration(page);
    await chromium.fillIn(page, bob);
    await through;
    assert.deepEqual(liveKeys(), [vapid.publicKey]);
    const ports = {
      grandchat: Number(new URL(app.origin).port),
      carillon: Number(new URL(app.carillonUrl).port),
    };
    await app.close({ keep: true });
    app = await startApp({ dataDir: app.dataDir, ports, env: COMMON });
    const native = chromium.registration(page);
    await page.reload();
    await native;
    // The old one's removal goes by the outbox.
    while ((await devices()).length > 1) await delay(50);
    const [device] = await devices();
    assert.equal(device?.provider, 'webpush');
    const { vapid: own } = await loadSecrets(app.dataDir);
    assert.deepEqual(liveKeys(), [own.publicKey]);
    await page.close();
  });

  /** The VAPID keys of the subscriptions that this browser has. */
  function liveKeys() {
    return emulator.subscriptions().flatMap(({ key, goneAt }) => (goneAt === undefined ? [key] : []));
  }

  async function openChromium(): Promise<void> {
    const profile = join(folder, 'profile');
    const context = await launchChromium({ desktop, emulator, origins: [app.origin], profile });
    chromium = new GrandChatChromium(context, desktop, app.origin);
    context.on('request', (request) => {
      const url = request.url();
      if (/firebase|googleapis/.test(url)) asked.push(url);
    });
  }

  function notification(text: string, timeoutMs?: number): Promise<DesktopNotification> {
    return desktop.waitForNotification(({ body }) => body.includes(text), timeoutMs ? { timeoutMs } : {});
  }

  function onScreen(room: string): DesktopNotification[] {
    return desktop.notifications().filter(({ summary }) => summary === room);
  }

  /** How often it was brought to the screen, a replacement counted as once more. */
  function times(text: string): number {
    return desktop.history().filter(({ body }) => body.includes(text)).length;
  }

  function roomUrl(roomId: number): string {
    return `${app.origin}/rooms/${roomId}`;
  }

  async function devices(): Promise<Device[]> {
    return (await call<{ items: Device[] }>('device_list', { filter: { users: [String(bob.id)] } })).items;
  }

  /** Carillon has done all that it had to do for a message. */
  async function done(messageId: number): Promise<void> {
    const uid = `message_${messageId}`;
    const state = () => call<{ state?: string }>('push_status', { uid }).then((push) => push?.state);
    while ((await state()) !== 'done') await delay(50);
  }

  async function call<T>(method: string, request: object): Promise<T> {
    const response = await fetch(`${app.carillonUrl}/api/${method}`, {
      method: 'POST',
      headers: { 'X-API-Key': apiKey },
      body: JSON.stringify(request),
    });
    return ((await response.json()) as { result: T }).result;
  }

  /** @returns FCM's error code */
  async function sendByFcm(token: string): Promise<string | undefined> {
    const response = await fetch(`${emulator.url}/v1/projects/${PROJECT}/messages:send`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${emulator.accessToken(PROJECT)}` },
      body: JSON.stringify({ message: { token, data: { a: 'b' } } }),
    });
    const { error } = (await response.json()) as { error?: { details?: { errorCode?: string }[] } };
    return error?.details?.find(({ errorCode }) => errorCode)?.errorCode;
  }
});
