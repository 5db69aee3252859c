import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../apps/grandchat/web/test/support/chromium.ts';
import { type App, startApp } from './support/app.ts';
import { Person } from './support/person.ts';
import { missing } from './support/requires.ts';

/** Keeps what moved without anybody having done anything: {value, what}. */
const WATCH_SHIFTS = `window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries())
    if (!hadRecentInput) shifts.push({ value, what: sources.map(({ node }) => node?.className || node?.nodeName) });
}).observe({ type: 'layout-shift', buffered: true });`;

// Ann is at another place, by REST. Bea is before Chromium.
suite('GrandChat is a comfort to use', { skip: missing('chromium') }, () => {
  let app: App;
  let browser: Browser;
  let ann: Person;
  let bea: Person;
  let room: number;

  before(async () => {
    app = await startApp({ env: { GRANDCHAT_MESSAGES_PER_MINUTE: '100000' } });
    browser = await launchChromium();
    ann = await Person.signUp(app.origin, 'annelie');
    bea = await Person.signUp(app.origin, 'beatrix');
    room = await ann.createRoom('Comfort');
    await bea.join(room);
    for (let n = 1; n <= 40; n++) await ann.write(room, `Line ${n}`);
  });

  after(async () => {
    await browser?.close();
    await app?.close();
  });

  const newContext = (reducedMotion: 'reduce' | 'no-preference' = 'no-preference') =>
    browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion });
  const signIn = async (context: BrowserContext): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(app.origin);
    await page.getByTestId('login-username').fill(bea.username);
    await page.getByTestId('login-password').fill(bea.password);
    await page.getByTestId('login-submit').click();
    await page.getByTestId('room-list').waitFor();
    return page;
  };

  test('by keyboard alone one signs up, makes a room, writes, picks an emoji and logs out', async () => {
    const context = await newContext();
    const page = await context.newPage();
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focused = (selector: string) => page.locator(`${selector}:focus`).waitFor();
    /** Tab until the focus is there, and that it shows. */
    const tabTo = async (name: string, key = 'Tab') => {
      for (let n = 0; n < 20; n++) {
        await page.keyboard.press(key);
        const at = await page.evaluate<{ name: string; outline: string }>(`(() => {
          const element = document.activeElement;
          return {
            name: element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent,
            outline: getComputedStyle(element).outlineStyle,
          };
        })()`);
        if (!at.name.includes(name)) continue;
        assert.equal(at.outline, 'solid', `the focus on ${name} can be seen`);
        return;
      }
      assert.fail(`no way to ${name} by ${key}`);
    };
    await page.goto(app.origin);
    await focused('[data-testid="login-username"]');
    await tabTo('Sign up');
    await press('Enter');
    await tabTo('Username', 'Shift+Tab');
    await page.keyboard.type('keyboarder');
    await press('Tab');
    await page.keyboard.type('only keys');
    await press('Enter');
    await page.getByText('You are in no room yet').waitFor();
    await tabTo('Create a room');
    await press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('Keys');
    await press('Enter');
    await focused('[data-testid="composer"]');
    await page.keyboard.type('Look ');
    await tabTo('Emoji', 'Shift+Tab');
    await press('Enter');
    await focused('.emoji-picker button');
    await press('ArrowRight', 'ArrowDown', 'Enter');
    await focused('[data-testid="composer"]');
    await press('Enter');
    await page.locator('[data-testid^="message-"] .bubble', { hasText: 'Look 😊' }).waitFor();
    await tabTo('Notifications are off', 'Shift+Tab');
    await press('Enter');
    await page.getByRole('dialog', { name: 'Notifications' }).waitFor();
    await press('Escape');
    await focused('[data-testid="bell"]');
    await tabTo('keyboarder', 'Shift+Tab');
    await press('Enter');
    await page.getByRole('dialog', { name: 'keyboarder' }).waitFor();
    await tabTo('Log out');
    await press('Enter');
    await page.getByTestId('login-username').waitFor();
    await context.close();
  });

  test('nothing jumps while the app loads, a room opens, messages come and go, and the composer grows', async () => {
    const context = await newContext();
    await context.addInitScript(WATCH_SHIFTS);
    const page = await signIn(context);
    const quiet = async (what: string) => {
      // A shift is reported after the frame in which it happened.
      await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))');
      assert.deepEqual(await page.evaluate('window.shifts'), [], what);
    };
    await quiet('signing in');
    await page.getByTestId(`room-item-${room}`).click();
    await page.getByText('Line 40').last().waitFor();
    await quiet('opening a room');
    await page.reload();
    await page.locator('.bubble').getByText('Line 40').waitFor();
    await quiet('opening the app in a room');
    await ann.write(room, 'One from elsewhere');
    await page.locator('.bubble').getByText('One from elsewhere').waitFor();
    await page.getByTestId('composer').focus();
    for (const key of ['O', 'n', 'e', 'Shift+Enter', 'm', 'i', 'n', 'e', 'Enter'])
      await page.keyboard.press(key);
    await page.locator('[data-testid^="message-"] .bubble', { hasText: 'mine' }).waitFor();
    assert.equal(await page.getByTestId('composer').evaluate((element) => element.clientHeight < 50), true);
    await quiet('writing');
    await page.goto(app.origin);
    await page.getByRole('heading', { name: 'Choose a room' }).waitFor();
    await quiet('coming home');
    await context.close();
  });

  test('the composer grows with its text up to a bound, then scrolls', async () => {
    const context = await newContext();
    const page = await signIn(context);
    await page.getByTestId(`room-item-${room}`).click();
    const composer = page.getByTestId('composer');
    const height = (lines: number) =>
      composer
        .fill(Array(lines).fill('line').join('\n'))
        .then(() => composer.evaluate((element) => element.clientHeight));
    const [one, four, many] = [await height(1), await height(4), await height(60)];
    assert.ok(one < four && four < many && many <= 200, `${one}, ${four}, ${many}`);
    assert.equal(await height(1), one);
    await context.close();
  });

  test('what moves stands still for those who want it so', async () => {
    for (const [motion, moves] of [
      ['no-preference', true],
      ['reduce', false],
    ] as const) {
      const context = await newContext(motion);
      const page = await signIn(context);
      await page.route(/\/api\/rooms\//, () => {});
      await page.goto(`${app.origin}/rooms/${room}`);
      await page.locator('.skeleton').first().waitFor({ state: 'attached' });
      assert.equal((await page.evaluate<number>('document.getAnimations().length')) > 0, moves, motion);
      await context.close();
    }
  });

  test('a room, the list of rooms and a search that the server failed at come by themselves or at a press', async () => {
    const context = await newContext();
    const page = await signIn(context);
    const failing = { status: 500, json: { detail: 'something went wrong on the server' } };
    await page.route(/\/messages\/\?/, (route) => route.fulfill(failing));
    await page.getByTestId(`room-item-${room}`).click();
    await page.getByRole('alert').getByText('could not be loaded: something went wrong').waitFor();
    await page.unroute(/\/messages\/\?/);
    await page.locator('.bubble').getByText('Line 40').waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);

    await page.goto(`${app.origin}/search`);
    await page.locator('.found-item').first().waitFor();
    await page.route(/\/api\/search\//, (route) => route.fulfill(failing));
    await page.getByRole('searchbox').fill('comf');
    await page.getByRole('alert').getByText('something went wrong').waitFor();
    assert.equal(await page.locator('.found-item').count(), 0, 'nothing that answers another question');
    await page.unroute(/\/api\/search\//);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.found-item', { hasText: 'Comfort' }).waitFor();

    await page.route(/\/api\/rooms\/$/, (route) => route.fulfill(failing), { times: 1 });
    await page.goto(app.origin);
    await page.getByTestId(`room-item-${room}`).waitFor();
    await context.close();
  });
});
