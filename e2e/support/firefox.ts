import { type Browser, type BrowserContext, launch } from 'puppeteer-core';
import { firefoxPreferences, type PushEmulator } from 'push-emulator';
import { firefoxPath } from '../../scripts/setup/system-packages.ts';
import type { Desktop } from './desktop.ts';

export interface FirefoxOptions {
  readonly desktop: Desktop;
  readonly emulator: PushEmulator;
  /** Pages of these origins have the permission to notify from the start, as if the person had said yes before. */
  readonly origins?: readonly string[];
  /** A folder that outlives the browser; a throw-away one when absent. */
  readonly profile?: string;
}

/**
 * A stock Firefox, headless, whose push service is the emulator and whose notifications go to the desktop. Only
 * preferences differ from what a person has; each says why.
 */
export async function launchFirefox({
  desktop,
  emulator,
  origins = [],
  profile,
}: FirefoxOptions): Promise<Browser> {
  const executablePath = firefoxPath();
  if (!executablePath) throw new Error('Firefox is not on this machine (Debian: firefox-esr)');
  const browser = await launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    ...(profile && { userDataDir: profile }),
    env: { ...process.env, ...desktop.env },
    extraPrefsFirefox: {
      ...firefoxPreferences(emulator),
      // Otherwise WindowClient.focus() does not switch tabs under remote control.
      'focusmanager.testmode': false,
    },
  });
  for (const origin of origins) await allowNotifications(browser.defaultBrowserContext(), origin);
  return browser;
}

/** The person says yes, in this context, to whatever page of the origin asks from now on. */
export async function allowNotifications(context: BrowserContext, origin: string): Promise<void> {
  await context.overridePermissions(origin, ['notifications']);
}
