import type { BrowserContext, Page } from 'playwright-core';
import type { Desktop, DesktopNotification } from './desktop.ts';
import type { Person } from './person.ts';

/** GrandChat in a Chromium, as a person works it. */
export class GrandChatChromium {
  readonly context: BrowserContext;
  readonly #desktop: Desktop;
  readonly #origin: string;

  constructor(context: BrowserContext, desktop: Desktop, origin: string) {
    this.context = context;
    this.#desktop = desktop;
    this.#origin = origin;
  }

  /** A page of somebody who is signed in. */
  async newPage(path: string): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(this.#origin + path);
    await page.getByTestId('room-list').waitFor({ state: 'attached' });
    return page;
  }

  async signIn(person: Person): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(this.#origin);
    await this.fillIn(page, person);
    return page;
  }

  async fillIn(page: Page, { username, password }: Person): Promise<void> {
    await page.getByTestId('login-username').fill(username);
    await page.getByTestId('login-password').fill(password);
    await page.getByTestId('login-submit').click();
    await page.getByTestId('room-list').waitFor();
  }

  async openRoom(page: Page, roomId: number): Promise<void> {
    await page.getByTestId(`room-item-${roomId}`).click();
    await page.getByTestId('composer').waitFor();
  }

  /** Presses the bell of the room that is open; waits until the server has the device. */
  async turnNotificationsOn(page: Page): Promise<void> {
    await page.getByTestId('bell').click();
    const registered = this.registration(page);
    await page.getByTestId('push-enable').click();
    await registered;
    await page.locator('[data-testid="push-state"][data-state="on"]').waitFor();
  }

  registration(page: Page) {
    return page.waitForResponse(
      (response) => response.url().endsWith('/api/device/register/') && response.ok(),
    );
  }

  async logOut(page: Page): Promise<void> {
    await page.getByTestId('user-menu').click();
    await page.getByTestId('logout').click();
    await page.getByTestId('login-username').waitFor();
  }

  /** The person clicks it; a window shows the room, and is closed again. */
  async clickLeadsTo({ id }: DesktopNotification, roomId: number): Promise<void> {
    const url = `${this.#origin}/rooms/${roomId}`;
    const opened = this.context.waitForEvent('page', (page) => page.url() === url);
    this.#desktop.click(id);
    const page = await opened;
    await page.getByTestId('composer').waitFor();
    await page.close();
  }

  /** As Chromium does by itself after half a minute of idleness. */
  async stopWorkers(): Promise<void> {
    const [page] = this.context.pages();
    const session = await this.context.newCDPSession(page as Page);
    const stopped = new Promise<void>((resolve) => {
      session.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
        if (versions.length > 0 && versions.every(({ runningStatus }) => runningStatus === 'stopped'))
          resolve();
      });
    });
    await session.send('ServiceWorker.enable');
    await session.send('ServiceWorker.stopAllWorkers');
    await stopped;
    await session.detach();
  }
}
