import { join } from 'node:path';
import axe, { type AxeResults, type Result } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';

const WIDTHS = [390, 1280];
const HEIGHT = 800;
const THEMES = ['light', 'dark'] as const;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** Scripts that make this browser one whose person has not been asked, has said no, or that lacks push. */
const BROWSERS = {
  default: "Object.defineProperty(Notification, 'permission', { get: () => 'default' })",
  denied: "Object.defineProperty(Notification, 'permission', { get: () => 'denied' })",
  ios: "Object.defineProperty(navigator, 'userAgent', { value: 'iPhone' }); delete window.PushManager",
  private: 'delete Navigator.prototype.serviceWorker',
};
const PASSWORD = 'screens and more';

export interface ScreenOptions {
  /** Folder for a picture of every screen, width and theme; none when absent. */
  readonly pictures?: string;
}

/**
 * Goes through every screen and state of GrandChat in Chromium, at 390 and 1280 pixels, light and dark.
 * @returns what is wrong, in words: axe's violations of WCAG 2.2 A and AA, what sticks out sideways, requests to elsewhere,
 *   errors in the console; empty when all is well
 */
export async function checkScreens(baseUrl: string, options: ScreenOptions = {}): Promise<string[]> {
  const browser = await launchChromium();
  try {
    const walk = new Walk(browser, baseUrl, options);
    await walk.go();
    return walk.problems;
  } finally {
    await browser.close();
  }
}

class Walk {
  readonly problems: string[] = [];
  readonly #browser: Browser;
  readonly #baseUrl: string;
  readonly #options: ScreenOptions;
  readonly #run = Date.now().toString(36);

  constructor(browser: Browser, baseUrl: string, options: ScreenOptions) {
    this.#browser = browser;
    this.#baseUrl = baseUrl;
    this.#options = options;
  }

  async go(): Promise<void> {
    const friend = await this.#context();
    const ben = await this.#signUp(friend, `ben-${this.#run}`);
    const garden = await ben.createRoom(`Garden ${this.#run}`);
    const empty = await ben.createRoom(`A room with a name that is far too long for every list ${this.#run}`);

    const me = await this.#context();
    const page = await me.newPage();
    this.#watch(page);
    await this.#signingIn(page);
    await this.#firstRooms(page, garden, empty, ben);
    await this.#inRoom(page, garden, ben);
    await this.#dialogs(page);
    await this.#menu(page, garden);
    await this.#trouble(page, garden);
    await this.#bell(me, garden);
  }

  async #signingIn(page: Page): Promise<void> {
    await page.goto(this.#baseUrl);
    await page.getByTestId('login-username').waitFor();
    await this.#look(page, 'login');
    await page.getByTestId('login-username').fill('nobody');
    await page.getByTestId('login-password').fill('wrong');
    await page.getByTestId('login-submit').click();
    await page.getByText('invalid credentials').waitFor();
    await this.#look(page, 'login-error');
    await page.getByTestId('signup-toggle').click();
    await page.getByTestId('login-username').fill(`ann-${this.#run}`);
    await page.getByTestId('login-password').fill(PASSWORD);
    await this.#look(page, 'sign-up');
    await page.getByTestId('login-submit').click();
    await page.getByText('You are in no room yet').waitFor();
    await this.#look(page, 'no-room-yet');
  }

  async #firstRooms(page: Page, garden: number, empty: number, ben: Friend): Promise<void> {
    await page.getByTestId('discover-link').click();
    await page.getByText(`Garden ${this.#run}`).waitFor();
    await page.getByRole('searchbox').fill(this.#run);
    await page.getByRole('button', { name: `Join Garden ${this.#run}` }).click();
    await page.getByRole('button', { name: `Leave Garden ${this.#run}` }).waitFor();
    await page.getByRole('button', { name: new RegExp(`^Join A room.*${this.#run}`) }).click();
    await page.getByTestId(`room-item-${empty}`).waitFor({ state: 'attached' });
    await this.#look(page, 'discover');
    await page.getByRole('searchbox').fill('no such room anywhere');
    await page.getByText('No room has').waitFor();
    await this.#look(page, 'discover-nothing');
    await page.setViewportSize({ width: 1280, height: HEIGHT });
    await page.getByTestId(`room-item-${empty}`).click();
    await page.getByTestId('composer').waitFor();
    await this.#look(page, 'room-empty');
    await ben.write(garden, 'Have you seen https://en.wikipedia.org/wiki/Carillon (the bells)?');
    await ben.write(garden, 'Two lines\nof one message, and a_very_long_word_that_'.padEnd(300, 'goes_on_'));
    await ben.write(garden, '🎉🔔');
    await page.goto(this.#baseUrl);
    await page.locator('.badge').waitFor();
    await this.#look(page, 'rooms');
  }

  async #inRoom(page: Page, garden: number, ben: Friend): Promise<void> {
    await page.setViewportSize({ width: 1280, height: HEIGHT });
    await page.getByTestId(`room-item-${garden}`).click();
    await page.locator('[data-unread]').waitFor();
    await this.#look(page, 'room-unread');
    const composer = page.getByTestId('composer');
    for (const text of ['I have not!', 'But I hear them', '❤️']) {
      await composer.fill(text);
      await composer.press('Enter');
    }
    await page.locator('.own .bubble', { hasText: '❤️' }).waitFor();
    await composer.fill('One\nTwo\nThree\nFour lines to come');
    await this.#look(page, 'room');
    await page.getByRole('button', { name: 'Emoji' }).click();
    await page.getByRole('dialog', { name: 'Emoji' }).waitFor();
    await this.#look(page, 'emoji');
    await page.keyboard.press('Escape');
    await composer.fill('');
    for (let n = 1; n <= 24; n++) await ben.write(garden, `Bell number ${n}`);
    await page.getByText('Bell number 24').last().waitFor();
    await page.locator('.messages').evaluate((element) => element.scrollTo(0, 0));
    await ben.write(garden, 'Are you there?');
    await page.locator('.jump', { hasText: 'new' }).waitFor();
    await this.#look(page, 'room-jump');
  }

  async #dialogs(page: Page): Promise<void> {
    await page.setViewportSize({ width: 1280, height: HEIGHT });
    for (const [name, open] of [
      ['create-room', () => page.getByTestId('create-room').click()],
      ['leave', () => page.getByRole('button', { name: 'Leave this room' }).click()],
      ['switcher', () => page.keyboard.press('Control+k')],
    ] as const) {
      await open();
      await page.getByRole('dialog').waitFor();
      await this.#look(page, name);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
  }

  async #menu(page: Page, garden: number): Promise<void> {
    await page.goto(this.#baseUrl);
    await page.route('**/api/logout/', (route) => route.abort());
    await page.getByTestId('user-menu').click();
    await page.getByRole('dialog').waitFor();
    await this.#look(page, 'user-menu');
    await page.getByTestId('logout').click();
    await page.getByText('Logging out failed').waitFor();
    await this.#look(page, 'toast');
    await page.keyboard.press('Escape');
    await page.unroute('**/api/logout/');
    await page.getByTestId(`room-item-${garden}`).click();
  }

  async #trouble(page: Page, garden: number): Promise<void> {
    const composer = page.getByTestId('composer');
    await page.route('**/messages/', (route) =>
      route.fulfill({ status: 400, json: { detail: 'content: not today' } }),
    );
    await composer.fill('This one is refused');
    await composer.press('Enter');
    await page.getByText('not today').waitFor();
    await page.unroute('**/messages/');
    await page.context().setOffline(true);
    await composer.fill('This one waits');
    await composer.press('Enter');
    await page.getByTestId('pending-waiting').waitFor();
    await this.#look(page, 'pending', { offline: true });
    await page.context().setOffline(false);
    await page.getByTestId('pending-waiting').waitFor({ state: 'detached' });

    await page.goto(`${this.#baseUrl}/rooms/999999`);
    await page.getByText('Not a room of yours').waitFor();
    await this.#look(page, 'not-a-member');

    await page.route(/\/api\/rooms\//, () => {});
    await page.goto(`${this.#baseUrl}/rooms/${garden}`);
    await page.locator('.skeleton').first().waitFor({ state: 'attached' });
    await this.#look(page, 'skeletons');
    await page.unroute(/\/api\/rooms\//);
  }

  async #bell(context: BrowserContext, garden: number): Promise<void> {
    for (const [state, script] of Object.entries(BROWSERS)) {
      const page = await context.newPage();
      this.#watch(page);
      await page.addInitScript(script);
      await page.goto(`${this.#baseUrl}/rooms/${garden}`);
      await page.getByTestId('bell').click();
      await page.getByTestId('push-state').waitFor();
      await this.#look(page, `bell-${state}`);
      await page.close();
    }
  }

  /** Checks what is on the screen in all widths and themes. */
  async #look(page: Page, name: string, { offline = false } = {}): Promise<void> {
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHT });
      for (const theme of THEMES) {
        await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
        const where = `${name}, ${width} px, ${theme}`;
        if (offline) await page.locator('.pill').waitFor();
        const sticksOut = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        if (sticksOut > 0) this.problems.push(`${where}: sticks out by ${sticksOut} px`);
        for (const violation of await violations(page)) this.problems.push(`${where}: ${inWords(violation)}`);
        if (this.#options.pictures)
          await page.screenshot({ path: join(this.#options.pictures, `${name}-${width}-${theme}.png`) });
      }
    }
  }

  #watch(page: Page): void {
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(this.#baseUrl).host)
        this.problems.push(`a request to elsewhere: ${request.url()}`);
    });
    page.on('pageerror', (error) => this.problems.push(`an error on the page: ${error.message}`));
    page.on('console', (message) => {
      // A reply that is no success is news of the browser, not of the page.
      if (
        message.type() === 'error' &&
        !/Failed to load resource|ERR_INTERNET_DISCONNECTED/.test(message.text())
      )
        this.problems.push(`an error in the console: ${message.text()}`);
    });
  }

  #context(): Promise<BrowserContext> {
    return this.#browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: HEIGHT } });
  }

  async #signUp(context: BrowserContext, username: string): Promise<Friend> {
    const friend = new Friend(context, this.#baseUrl);
    await friend.post('/api/signup/', { username, password: PASSWORD });
    return friend;
  }
}

/** Somebody else, by REST. */
class Friend {
  readonly #context: BrowserContext;
  readonly #baseUrl: string;

  constructor(context: BrowserContext, baseUrl: string) {
    this.#context = context;
    this.#baseUrl = baseUrl;
  }

  async createRoom(name: string): Promise<number> {
    return (await this.post<{ id: number }>('/api/rooms/', { name })).id;
  }

  async write(roomId: number, content: string): Promise<void> {
    await this.post(`/api/rooms/${roomId}/messages/`, { content });
  }

  async post<T>(path: string, data: object): Promise<T> {
    const { request } = this.#context;
    const csrf = (await request.get(`${this.#baseUrl}/api/csrf/`)).headers()['x-csrftoken'] ?? '';
    const reply = await request.post(this.#baseUrl + path, { data, headers: { 'X-CSRFToken': csrf } });
    if (!reply.ok()) throw new Error(`POST ${path}: ${reply.status()} ${await reply.text()}`);
    return (await reply.json()) as T;
  }
}

async function violations(page: Page): Promise<Result[]> {
  await page.evaluate(axe.source);
  const options = JSON.stringify({ runOnly: { type: 'tag', values: RULES } });
  return (await page.evaluate<AxeResults>(`axe.run(document, ${options})`)).violations;
}

function inWords({ id, help, nodes }: Result): string {
  return `${id} (${help}): ${nodes.map(({ target }) => target.join(' ')).join('; ')}`;
}
