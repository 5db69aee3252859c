import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { PushEmulator } from '../emulator.ts';
import { chromiumArguments } from './chromium.ts';
import { firefoxPreferences } from './firefox.ts';

export const BROWSERS = ['chrome', 'firefox'] as const;
export type BrowserName = (typeof BROWSERS)[number];

/** Where the browsers are by name, in PATH, or at the usual places of macOS. */
const PROGRAMS: Readonly<Record<BrowserName, readonly string[]>> = {
  chrome: [
    'google-chrome',
    'google-chrome-stable',
    'chromium',
    'chromium-browser',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  firefox: ['firefox', 'firefox-esr', '/Applications/Firefox.app/Contents/MacOS/firefox'],
};
const MAX_WORDS = 4000;

export interface LaunchOptions {
  readonly browser: BrowserName;
  readonly emulator: PushEmulator;
  readonly url?: string;
  /** The browser's program; the first that is found when absent. */
  readonly program?: string;
  /** A folder that keeps the profile; a new one, removed at the end, when absent. */
  readonly profile?: string;
  /** More arguments for the browser, e.g. `--headless`. */
  readonly extraArguments?: readonly string[];
}

/** A browser that was started. */
export interface LaunchedBrowser {
  /** Resolves when it has ended and its profile is removed, with what it said if it failed. */
  readonly ended: Promise<string | undefined>;
  stop(): void;
}

/**
 * Starts a stock browser with the emulator as its push service.
 * @throws when the program is not there, with what was looked for
 */
export async function launchBrowser(options: LaunchOptions): Promise<LaunchedBrowser> {
  const { browser, emulator, url, extraArguments = [] } = options;
  const program = options.program ?? find(PROGRAMS[browser]);
  if (program === undefined) {
    throw new Error(
      `no ${browser} on this machine: looked for ${PROGRAMS[browser].join(', ')}; --browser names another`,
    );
  }
  const profile =
    options.profile === undefined ? await mkdtemp(join(tmpdir(), `${browser}-`)) : resolve(options.profile);
  await mkdir(profile, { recursive: true });
  const own =
    browser === 'chrome' ? chromeArguments(emulator, profile) : await firefoxArguments(emulator, profile);
  const child = spawn(program, [...own, ...extraArguments, ...(url === undefined ? [] : [url])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = outcomeOf(child, program).finally(async () => {
    // A browser's helpers may write for a moment after it has ended.
    if (options.profile === undefined) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return { ended, stop: () => void child.kill() };
}

function chromeArguments(emulator: PushEmulator, profile: string): string[] {
  return [`--user-data-dir=${profile}`, '--no-default-browser-check', ...chromiumArguments(emulator)];
}

async function firefoxArguments(emulator: PushEmulator, profile: string): Promise<string[]> {
  const lines = Object.entries(firefoxPreferences(emulator)).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  await writeFile(join(profile, 'user.js'), lines.join(''));
  return ['--no-remote', '--profile', profile];
}

async function outcomeOf(child: ChildProcess, program: string): Promise<string | undefined> {
  let words = '';
  child.stderr!.on('data', (chunk) => {
    words = (words + chunk).slice(-MAX_WORDS);
  });
  return new Promise((done) => {
    child.once('error', (error) => done(`${program}: ${error.message}`));
    child.once('close', (code) =>
      done(code ? `${program} ended with code ${code}: ${words.trim()}` : undefined),
    );
  });
}

function find(programs: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const files = programs.flatMap((program) =>
    program.startsWith('/') ? [program] : folders.map((folder) => join(folder, program)),
  );
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
