import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Browser, BrowserContext } from 'puppeteer-core';
import { type PushEmulator, type PushRecord, startPushEmulator } from 'push-emulator';
import { type Desktop, type DesktopNotification, startDesktop } from './support/desktop.ts';
import { launchFirefox } from './support/firefox.ts';
import { GrandChatPage } from './support/grandchat-page.ts';
import { Person } from './support/person.ts';
import { missing } from './support/requires.ts';
import { type Stack, startStack } from './support/stack.ts';

/** Past the time that a dead worker's work stays reserved for it. */
const TAKEOVER_MS = 60_000;

// Ann is at another place, by REST. Bob is before Firefox.
suite('GrandChat rings a stock Firefox', { skip: missing('firefox', 'dbus', 'postgresql') }, () => {
  let desktop: Desktop;
  let emulator: PushEmulator;
  let stack: Stack;
  let firefox: Browser;
  const failures: PushRecord[] = [];
  let ann: Person;
  let bob: Person;
  /** A room for each test that counts, so that what one leaves on the screen is nothing to the next. */
  const rooms = { garden: 0, kitchen: 0, library: 0, workshop: 0 };

  before(async () => {
    desktop = await startDesktop();
    emulator = await startPushEmulator();
    emulator.onChange((record) => {
      if ((record.acknowledgeCode ?? 100) !== 100 || record.nackCode !== undefined) failures.push(record);
    });
    stack = await startStack({ emulator });
    firefox = await launchFirefox({ desktop, emulator });
    ann = await Person.signUp(stack.origin, 'ann');
    bob = await Person.signUp(stack.origin, 'bob');
    for (const name of Object.keys(rooms) as (keyof typeof rooms)[]) {
      rooms[name] = await ann.createRoom(name);
      await bob.join(rooms[name]);
    }
  });

  after(async () => {
    await firefox?.close();
    await stack?.close();
    await emulator?.close();
    await desktop?.close();
  });

  test('the bell of a room turns notifications on', async () => {
    const chat = await newPage();
    await chat.signIn(bob);
    await chat.openRoom(rooms.garden);
    assert.deepEqual(emulator.subscriptions(), [], 'nothing happens before the bell');
    await chat.turnNotificationsOn();
    assert.equal(endpoints().length, 1);
    await chat.page.close();
  });

  test('P8: with the tab closed, a message rings with room, author and text, and a click opens the room', async () => {
    await ann.write(rooms.garden, 'The roses are out');
    const shown = await notification('The roses are out');
    assert.deepEqual([shown.summary, shown.body], ['garden', 'ann: The roses are out']);
    desktop.click(shown.id);
    const target = await firefox.waitForTarget((each) => each.url() === roomUrl(rooms.garden));
    const page = await target.page();
    await page?.waitForSelector('[data-testid="composer"]');
    await page?.close();
  });

  test('two messages of a room are one notification', async () => {
    await ann.write(rooms.kitchen, 'Soup is ready');
    await ann.write(rooms.kitchen, 'And bread');
    const merged = await notification('2 new messages');
    assert.deepEqual(
      [merged.summary, merged.body],
      ['kitchen', '2 new messages\nann: Soup is ready\nann: And bread'],
    );
    assert.deepEqual(onScreen('kitchen'), [merged]);
    desktop.dismiss(merged.id);
  });

  test('a click brings the tab that has the room forward', async () => {
    const reading = await newPage();
    await reading.page.goto(roomUrl(rooms.garden));
    await reading.page.waitForSelector('[data-testid="composer"]');
    const other = await newPage();
    await other.page.goto(roomUrl(rooms.kitchen));
    await other.page.waitForSelector('[data-testid="composer"]');
    await other.page.bringToFront();
    await ann.write(rooms.garden, 'And the lilies');
    const shown = await notification('And the lilies');
    desktop.click(shown.id);
    await reading.page.waitForFunction('document.hasFocus()');
    assert.equal(other.page.url(), roomUrl(rooms.kitchen));
    await other.page.close();
    await reading.page.close();
  });

  test('with no tab at the room, a click leads a tab of the app there, without a reload', async () => {
    const chat = await newPage();
    await chat.page.goto(roomUrl(rooms.kitchen));
    await chat.page.waitForSelector('[data-testid="composer"]');
    await chat.page.evaluate('window.isTheSame = true');
    const count = (await firefox.pages()).length;
    await ann.write(rooms.garden, 'And the poppies');
    const shown = await notification('And the poppies');
    desktop.click(shown.id);
    await chat.page.waitForFunction(`location.href === '${roomUrl(rooms.garden)}' && window.isTheSame`);
    assert.equal((await firefox.pages()).length, count);
    await chat.page.close();
  });

  test('P7: the room in focus rings not, another one does', async () => {
    const chat = await newPage();
    await chat.page.goto(roomUrl(rooms.library));
    await chat.page.waitForSelector('[data-testid="composer"]');
    await chat.page.bringToFront();
    emulator.forgetMessages();
    const seen = await ann.write(rooms.library, 'Silence, please');
    await chat.seesMessage(seen);
    await emulator.waitFor(({ state }) => state === 'acknowledged');
    // The worker shows one push after the other: when this one is on the screen, it has dealt with the first.
    await ann.write(rooms.kitchen, 'Coffee?');
    await notification('Coffee?');
    assert.deepEqual(onScreen('library'), []);
    assert.ok(!desktop.history().some(({ body }) => body.includes('Silence')));
    await chat.page.close();
  });

  test('P6: the writer is not rung, on no device', async () => {
    const [home] = endpoints();
    emulator.forgetMessages();
    await bob.write(rooms.workshop, 'I write this myself');
    await ann.write(rooms.workshop, 'I answer');
    await notification('I answer');
    assert.deepEqual(
      emulator.messages().map(({ endpoint }) => endpoint),
      [home],
    );
    assert.ok(!desktop.history().some(({ body }) => body.includes('I write this myself')));
  });

  test('after logout this device rings no more, and another of theirs does', async () => {
    const [first] = endpoints();
    const elsewhere = await firefox.createBrowserContext();
    const second = await newPage(elsewhere);
    await second.signIn(bob);
    await second.openRoom(rooms.workshop);
    await second.turnNotificationsOn();
    const secondEndpoint = endpoints().find((endpoint) => endpoint !== first);
    await second.page.close();

    const chat = await newPage();
    await chat.page.goto(stack.origin);
    await chat.logOut();
    await chat.page.close();
    emulator.forgetMessages();
    await ann.write(rooms.workshop, 'Who is still here?');
    await notification('Who is still here?');
    assert.deepEqual(
      emulator.messages().map(({ endpoint }) => endpoint),
      [secondEndpoint],
    );
  });

  test('a push that Carillon was about to send when it was killed arrives after its restart', async () => {
    emulator.faults.add({ kind: 'silence' });
    await ann.write(rooms.library, 'Are you there?');
    await emulator.waitFor(({ state }) => state === 'unanswered');
    await stack.killCarillon();
    await ann.write(rooms.kitchen, 'Written while it was down');
    assert.deepEqual(onScreen('library'), []);
    await stack.startCarillon();
    await notification('Written while it was down', TAKEOVER_MS);
    await notification('Are you there?', TAKEOVER_MS);
    assert.equal(onScreen('library').length, 1);
  });

  test('Firefox decrypted every push, and the service worker failed at none', () => {
    assert.deepEqual(failures, []);
  });

  async function newPage(context: BrowserContext = firefox.defaultBrowserContext()): Promise<GrandChatPage> {
    return new GrandChatPage(await context.newPage(), stack.origin);
  }

  function notification(text: string, timeoutMs?: number): Promise<DesktopNotification> {
    return desktop.waitForNotification(({ body }) => body.includes(text), timeoutMs ? { timeoutMs } : {});
  }

  function onScreen(room: string): DesktopNotification[] {
    return desktop.notifications().filter(({ summary }) => summary === room);
  }

  /** Of the subscriptions that live. */
  function endpoints(): string[] {
    return emulator
      .subscriptions()
      .flatMap(({ endpoint, goneAt }) => (goneAt === undefined ? [endpoint] : []));
  }

  function roomUrl(roomId: number): string {
    return `${stack.origin}/rooms/${roomId}`;
  }
});
