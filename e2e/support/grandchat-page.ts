import type { Page } from 'puppeteer-core';
import { allowNotifications } from './firefox.ts';
import type { Person } from './person.ts';

const testId = (id: string) => `[data-testid="${id}"]`;

/** GrandChat in a browser, as a person works it. */
export class GrandChatPage {
  readonly page: Page;
  readonly #origin: string;

  constructor(page: Page, origin: string) {
    this.page = page;
    this.#origin = origin;
  }

  async signIn({ username, password }: Person): Promise<void> {
    await this.page.goto(this.#origin);
    await this.page.locator(testId('login-username')).fill(username);
    await this.page.locator(testId('login-password')).fill(password);
    await this.page.locator(testId('login-submit')).click();
    await this.page.waitForSelector(testId('room-list'));
  }

  async openRoom(roomId: number): Promise<void> {
    await this.page.locator(testId(`room-item-${roomId}`)).click();
    await this.page.waitForSelector(testId('composer'));
  }

  /** Presses the bell of the room that is open, and says yes; waits until the server has the device. */
  async turnNotificationsOn(): Promise<void> {
    const registered = this.page.waitForResponse(
      (response) => response.url().endsWith('/api/device/register/') && response.ok(),
    );
    await this.page.locator(testId('bell')).click();
    await this.page.waitForSelector(testId('push-enable'));
    await allowNotifications(this.page.browserContext(), this.#origin);
    await this.page.locator(testId('push-enable')).click();
    await registered;
  }

  async seesMessage(messageId: number): Promise<void> {
    await this.page.waitForSelector(testId(`message-${messageId}`));
  }

  async write(text: string): Promise<void> {
    await this.page.locator(testId('composer')).fill(text);
    await this.page.locator(testId('send')).click();
  }

  async logOut(): Promise<void> {
    await this.page.locator(testId('user-menu')).click();
    await this.page.locator(testId('logout')).click();
    await this.page.waitForSelector(testId('login-username'));
  }
}
