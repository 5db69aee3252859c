import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../apps/grandchat/web/test/support/chromium.ts';
import { type App, startApp } from './support/app.ts';
import { Person } from './support/person.ts';
import { missing } from './support/requires.ts';

// Ann is at another place, by REST. Bob is before Chromium.
suite('GrandChat in a browser', { skip: missing('chromium') }, () => {
  let app: App;
  let browser: Browser;
  let ann: Person;
  let bob: Person;
  let context: BrowserContext;
  let roomNumber = 0;

  before(async () => {
    app = await startApp({ env: { GRANDCHAT_MESSAGES_PER_MINUTE: '100000' } });
    browser = await launchChromium();
    ann = await Person.signUp(app.origin, 'annika');
    bob = await Person.signUp(app.origin, 'bertil');
    context = await logIn(bob);
  });

  after(async () => {
    await browser?.close();
    await app?.close();
  });

  /** A browser of their own. */
  const logIn = async ({ username, password }: Person) => {
    const own = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
    const page = await own.newPage();
    await page.goto(app.origin);
    await page.getByTestId('login-username').fill(username);
    await page.getByTestId('login-password').fill(password);
    await page.getByTestId('login-submit').click();
    await page.getByTestId('room-list').waitFor();
    await page.close();
    return own;
  };
  const newRoom = async () => {
    roomNumber += 1;
    const name = `Room ${roomNumber}`;
    const id = await ann.createRoom(name);
    await bob.join(id);
    return { id, name };
  };
  const open = async (path: string, by = context) => {
    const page = await by.newPage();
    await page.goto(app.origin + path);
    await page
      .locator('[data-testid="connection-state"][data-state="connected"]')
      .waitFor({ state: 'attached' });
    await page.getByTestId('room-list').waitFor({ state: 'attached' });
    return page;
  };
  const shown = (page: Page) => page.locator('.bubble').allTextContents();
  const isShown = (page: Page, text: string) =>
    page.locator('.bubble').getByText(text, { exact: true }).waitFor({ state: 'attached' });
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, n) => `Number ${from + n}`);
  const annWrites = async (roomId: number, texts: readonly string[]) => {
    for (const text of texts) await ann.write(roomId, text);
  };

  test('a message moves its room up, counts as unread here and in the title, until it is read in any tab', async () => {
    const [first, second] = [await newRoom(), await newRoom()];
    const page = await open(`/rooms/${second.id}`);
    const other = await open('/');
    await ann.write(first.id, 'Over here');
    await page.locator('li:first-child .room-item', { hasText: 'annika: Over here' }).waitFor();
    await page.getByTestId(`room-item-${first.id}`).locator('.badge', { hasText: '1 unread' }).waitFor();
    await page.waitForFunction("document.title === '(1) GrandChat'");
    await page.bringToFront();
    await page.getByTestId(`room-item-${first.id}`).click();
    await isShown(page, 'Over here');
    for (const tab of [page, other]) {
      await tab.locator('.badge').waitFor({ state: 'detached' });
      await tab.waitForFunction("document.title === 'GrandChat'");
      await tab.close();
    }
  });

  test('opens at the unread line, and stays unread until the end is in sight', async () => {
    const room = await newRoom();
    await annWrites(room.id, numbers(1, 40));
    const page = await open(`/rooms/${room.id}`);
    await page.locator('[data-unread]').waitFor();
    assert.ok(await page.locator('[data-unread]').isVisible());
    await page.locator('.jump', { hasText: '40 new' }).click();
    await page.getByTestId(`room-item-${room.id}`).locator('.badge').waitFor({ state: 'detached' });
    const { unread_count } = await bob.get<{ unread_count: number }>(`/api/rooms/${room.id}/`);
    assert.equal(unread_count, 0);
    await page.close();
  });

  test('scrolls back through the whole history, and what one looks at stays where it is', async () => {
    const room = await newRoom();
    await annWrites(room.id, numbers(1, 130));
    await bob.post(`/api/rooms/${room.id}/messages/`, { content: 'Read it all' });
    const page = await open(`/rooms/${room.id}`);
    await isShown(page, 'Read it all');
    await page.waitForFunction("document.querySelector('.jump') === null");
    const watched = page.locator('.bubble').getByText('Number 97', { exact: true });
    await page.locator('.messages').evaluate((element) => element.scrollTo(0, 620));
    const before = await watched.boundingBox();
    await page.locator('.messages').evaluate((element) => element.scrollBy(0, -60));
    await isShown(page, 'Number 40');
    const moved = ((await watched.boundingBox())?.y ?? 0) - (before?.y ?? 0);
    assert.ok(Math.abs(moved - 60) < 1, `moved by ${moved} px, scrolled by 60`);
    await page.locator('.messages').evaluate((element) => element.scrollTo(0, 0));
    await isShown(page, 'Number 1');
    assert.deepEqual(await shown(page), [...numbers(1, 130), 'Read it all']);
    await page.close();
  });

  test('without a network 50 messages come, and one waits to go: all there afterwards, once, in order', async () => {
    const room = await newRoom();
    const page = await open(`/rooms/${room.id}`);
    await page.getByTestId('composer').waitFor();
    await ann.write(room.id, 'Before');
    await isShown(page, 'Before');
    await context.setOffline(true);
    await page
      .locator('[data-testid="connection-state"]:not([data-state="connected"])')
      .waitFor({ state: 'attached' });
    await annWrites(room.id, numbers(1, 50));
    await page.getByTestId('composer').fill('From the tunnel');
    await page.getByTestId('composer').press('Enter');
    await page.getByTestId('pending-waiting').waitFor();
    await page.locator('.pill', { hasText: '1 message waits' }).waitFor();
    await context.setOffline(false);
    await isShown(page, 'Number 50');
    await page.getByTestId('pending-waiting').waitFor({ state: 'detached' });
    const expected = ['Before', ...numbers(1, 50), 'From the tunnel'];
    assert.deepEqual(await shown(page), expected);
    const { results } = await ann.get<{ results: { content: string }[] }>(`/api/rooms/${room.id}/messages/`);
    assert.deepEqual(results.map(({ content }) => content).reverse(), expected, 'the server has each once');
    await page.close();
  });

  test('when more was missed than can be recovered, all loads anew by itself', async () => {
    const room = await newRoom();
    const page = await open(`/rooms/${room.id}`);
    await ann.write(room.id, 'Before');
    await isShown(page, 'Before');
    await context.setOffline(true);
    await page
      .locator('[data-testid="connection-state"]:not([data-state="connected"])')
      .waitFor({ state: 'attached' });
    // One more than the history of a channel holds.
    await annWrites(room.id, numbers(1, 301));
    await page.evaluate("window.marker = 'the same page'");
    await context.setOffline(false);
    await isShown(page, 'Number 301');
    const texts = await shown(page);
    assert.ok(texts.length < 301, 'loaded anew, not recovered');
    assert.deepEqual(texts, numbers(302 - texts.length, 301), 'the newest ones, without a hole');
    assert.equal(await page.evaluate('window.marker'), 'the same page');
    await page.close();
  });

  test('joining, leaving and writing in one tab shows in the other, and in the browser of another member', async () => {
    const name = 'Elsewhere';
    const id = await ann.createRoom(name);
    const annsBrowser = await logIn(ann);
    const anns = await open(`/rooms/${id}`, annsBrowser);
    await anns.getByText('1 member', { exact: true }).waitFor();
    const [page, other] = [await open('/search'), await open('/')];
    await page.bringToFront();
    await page.getByRole('searchbox', { name: 'Search rooms' }).fill('elsewh');
    await page.getByRole('button', { name: `Join ${name}` }).click();
    await other.getByTestId(`room-item-${id}`).waitFor();
    const found = page.locator('.found-item', { hasText: name });
    await found.getByText('2 members').waitFor();
    await anns.getByText('2 members', { exact: true }).waitFor();
    await other.getByTestId(`room-item-${id}`).click();
    await other.getByTestId('composer').fill('So this is elsewhere');
    await other.getByTestId('composer').press('Enter');
    await isShown(anns, 'So this is elsewhere');
    await anns.locator('li:first-child .room-item', { hasText: 'So this is elsewhere' }).waitFor();
    await page.bringToFront();
    await page.getByRole('button', { name: `Leave ${name}` }).click();
    await other.getByTestId(`room-item-${id}`).waitFor({ state: 'detached' });
    await found.getByText('1 member', { exact: true }).waitFor();
    await anns.getByText('1 member', { exact: true }).waitFor();
    await annsBrowser.close();
    await page.close();
    await other.close();
  });

  test('by keyboard: Ctrl K to a room, Shift+Enter a line, Enter sends; a draft waits in its room', async () => {
    const [first, second] = [await newRoom(), await newRoom()];
    const page = await open(`/rooms/${first.id}`);
    const composer = page.getByTestId('composer');
    await composer.fill('To be continued');
    await page.keyboard.press('Control+k');
    await page.keyboard.type(second.name.toLowerCase());
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/rooms/${second.id}`);
    await page.waitForFunction("document.activeElement?.dataset.testid === 'composer'");
    await page.keyboard.type('Two');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('lines <b>&amp;</b> no markup');
    await page.keyboard.press('Enter');
    await page.locator('[data-testid^="message-"]').waitFor();
    assert.deepEqual(await shown(page), ['Two\nlines <b>&amp;</b> no markup']);
    await page.getByTestId(`room-item-${first.id}`).click();
    await page.locator('textarea', { hasText: 'To be continued' }).waitFor();
    assert.equal(await composer.inputValue(), 'To be continued');
    await page.close();
  });

  test('a logout in one tab is one in all, and what a path holds is still there after the next login', async () => {
    const room = await newRoom();
    const [page, other] = [await open(`/rooms/${room.id}`), await open('/')];
    await other.getByTestId('user-menu').click();
    await other.getByTestId('logout').click();
    for (const tab of [page, other]) await tab.getByTestId('login-username').waitFor();
    await page.getByTestId('login-username').fill(bob.username);
    await page.getByTestId('login-password').fill(bob.password);
    await page.getByTestId('login-submit').click();
    await page.getByRole('heading', { name: room.name }).waitFor();
    await other.getByTestId('room-list').waitFor();
    await page.close();
    await other.close();
  });
});
