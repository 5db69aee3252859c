import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { type PushEmulator, startPushEmulator } from 'push-emulator';
import { launchChromium } from './support/chromium.ts';
import { type Desktop, type DesktopNotification, startDesktop } from './support/desktop.ts';
import { launchFirefox } from './support/firefox.ts';
import { GrandChatChromium } from './support/grandchat-chromium.ts';
import { GrandChatPage } from './support/grandchat-page.ts';
import { Person } from './support/person.ts';
import { missing } from './support/requires.ts';
import { type Stack, startStack } from './support/stack.ts';

/** Chromium takes some seconds to find its push service again. */
const RESTART_MS = 30_000;

// The tutorial's demonstration. Ann is at another place, by REST; Bob is before Firefox, Cat before Chromium.
suite('one message rings in a stock Chromium and in a stock Firefox', {
  skip: missing('chromium', 'firefox', 'dbus', 'postgresql'),
}, () => {
  let profile: string;
  let bobsDesk: Desktop;
  let catsDesk: Desktop;
  let emulator: PushEmulator;
  let stack: Stack;
  let firefox: Browser;
  let chromium: GrandChatChromium;
  let ann: Person;
  let bob: Person;
  let cat: Person;
  /** A room for each test that counts, so that what one leaves on the screen is nothing to the next. */
  const rooms = { garden: 0, kitchen: 0, library: 0, workshop: 0, attic: 0, cellar: 0 };

  before(async () => {
    profile = await mkdtemp(join(tmpdir(), 'chromium-'));
    [bobsDesk, catsDesk] = await Promise.all([startDesktop(), startDesktop()]);
    emulator = await startPushEmulator();
    stack = await startStack({ emulator });
    firefox = await launchFirefox({ desktop: bobsDesk, emulator });
    await openChromium();
    ann = await Person.signUp(stack.origin, 'ann');
    bob = await Person.signUp(stack.origin, 'bob');
    cat = await Person.signUp(stack.origin, 'cat');
    for (const name of Object.keys(rooms) as (keyof typeof rooms)[]) {
      rooms[name] = await ann.createRoom(name);
      await bob.join(rooms[name]);
      await cat.join(rooms[name]);
    }
  });

  after(async () => {
    await chromium?.context.close();
    await firefox?.close();
    await stack?.close();
    await emulator?.close();
    await Promise.all([bobsDesk?.close(), catsDesk?.close()]);
    if (profile) await rm(profile, { recursive: true, force: true });
  });

  test('the bell of a room turns notifications on in both, each at its browser’s own push service', async () => {
    const bobsPage = new GrandChatPage(await firefox.newPage(), stack.origin);
    await bobsPage.signIn(bob);
    await bobsPage.openRoom(rooms.garden);
    await bobsPage.turnNotificationsOn();
    await bobsPage.page.close();
    const catsPage = await chromium.signIn(cat);
    await chromium.openRoom(catsPage, rooms.garden);
    await chromium.turnNotificationsOn(catsPage);
    await catsPage.close();
    assert.deepEqual(liveServices(), ['chromium', 'mozilla']);
  });

  test('with both tabs closed, one message is a notification in each, and each click opens the room', async () => {
    await ann.write(rooms.garden, 'The roses are out');
    const [bobs, cats] = await Promise.all([
      notification(bobsDesk, 'The roses are out'),
      notification(catsDesk, 'The roses are out'),
    ]);
    assert.deepEqual([bobs.summary, cats.summary], ['garden', 'garden']);
    for (const { body } of [bobs, cats]) assert.match(body, /ann: The roses are out/);
    await chromium.clickLeadsTo(cats, rooms.garden);
    bobsDesk.click(bobs.id);
    const target = await firefox.waitForTarget(
      (each) => each.url() === `${stack.origin}/rooms/${rooms.garden}`,
    );
    const page = await target.page();
    await page?.waitForSelector('[data-testid="composer"]');
    await page?.close();
    assert.deepEqual([times(bobsDesk, 'The roses'), times(catsDesk, 'The roses')], [1, 1]);
  });

  test('in Chromium, too, a second message of a room takes the place of the first, and tells of both', async () => {
    await ann.write(rooms.kitchen, 'Soup is ready');
    const first = await notification(catsDesk, 'Soup is ready');
    await ann.write(rooms.kitchen, 'And bread');
    const merged = await notification(catsDesk, 'And bread');
    assert.match(merged.body, /2 new messages\nann: Soup is ready\nann: And bread/);
    assert.deepEqual([merged.id, merged.revision], [first.id, 2]);
    assert.equal(catsDesk.notifications().filter(({ summary }) => summary === 'kitchen').length, 1);
    catsDesk.dismiss(merged.id);
  });

  test('of two messages in one breath one notification is left, which tells of both in their order', async () => {
    await ann.write(rooms.attic, 'Who is there?');
    await ann.write(rooms.attic, 'A mouse');
    const { body } = await notification(catsDesk, '2 new messages');
    assert.match(body, /2 new messages\nann: Who is there\?\nann: A mouse/);
    assert.equal(catsDesk.notifications().filter(({ summary }) => summary === 'attic').length, 1);
  });

  test('a worker that Chromium stopped starts for a push, and for the click', async () => {
    await chromium.stopWorkers();
    await ann.write(rooms.workshop, 'Wake up');
    const shown = await notification(catsDesk, 'Wake up');
    await chromium.stopWorkers();
    await chromium.clickLeadsTo(shown, rooms.workshop);
    assert.equal(times(catsDesk, 'Wake up'), 1);
  });

  test('a message that came while Chromium was closed rings when it starts again, with no page open', async () => {
    await chromium.context.close();
    await ann.write(rooms.cellar, 'Good morning');
    await emulator.waitFor(({ service, state }) => service === 'chromium' && state === 'waiting');
    await openChromium();
    const shown = await notification(catsDesk, 'Good morning', RESTART_MS);
    await chromium.clickLeadsTo(shown, rooms.cellar);
    assert.equal(times(catsDesk, 'Good morning'), 1);
  });

  test('after a logout in Chromium only Firefox rings', async () => {
    const page = await chromium.newPage('/');
    await chromium.logOut(page);
    await page.close();
    emulator.forgetMessages();
    await ann.write(rooms.library, 'Who is still here?');
    await notification(bobsDesk, 'Who is still here?');
    assert.deepEqual(
      emulator.messages().map(({ service }) => service),
      ['mozilla'],
    );
    assert.equal(times(catsDesk, 'Who is still here?'), 0);
    assert.deepEqual(liveServices(), ['mozilla']);
  });

  async function openChromium(): Promise<void> {
    const context = await launchChromium({ desktop: catsDesk, emulator, origins: [stack.origin], profile });
    chromium = new GrandChatChromium(context, catsDesk, stack.origin);
  }

  /** The services of the subscriptions that live, by name. */
  function liveServices(): string[] {
    return emulator
      .subscriptions()
      .flatMap(({ service, goneAt }) => (goneAt === undefined ? [service] : []))
      .sort();
  }

  function notification(desktop: Desktop, text: string, timeoutMs?: number): Promise<DesktopNotification> {
    return desktop.waitForNotification(({ body }) => body.includes(text), timeoutMs ? { timeoutMs } : {});
  }

  /** How often it was brought to the screen, a replacement counted as once more. */
  function times(desktop: Desktop, text: string): number {
    return desktop.history().filter(({ body }) => body.includes(text)).length;
  }
});
