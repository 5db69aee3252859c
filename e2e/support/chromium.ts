import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { type BrowserContext, chromium } from 'playwright-core';
import { chromiumArguments, type PushEmulator } from 'push-emulator';
import { chromiumPath } from '../../scripts/setup/system-packages.ts';
import type { Desktop } from './desktop.ts';

export interface ChromiumOptions {
  readonly desktop: Desktop;
  readonly emulator: PushEmulator;
  /** Pages of these origins have the permission to notify from the start, as if the person had said yes before. */
  readonly origins?: readonly string[];
  /** A folder that outlives the browser: in a throw-away one there is no push. */
  readonly profile: string;
}

/**
 * A stock Chromium, headless, whose push service is the emulator and whose notifications go to the desktop. It resolves no name but
 * `localhost`.
 */
export async function launchChromium({
  desktop,
  emulator,
  origins = [],
  profile,
}: ChromiumOptions): Promise<BrowserContext> {
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error('Chromium is not on this machine (Debian: chromium)');
  requireNetwork();
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [...chromiumArguments(emulator, { isOffline: true }), '--disable-gpu'],
    env: { ...process.env, ...desktop.env } as Record<string, string>,
  });
  for (const origin of origins) await context.grantPermissions(['notifications'], { origin });
  return context;
}

const BRIDGE = [
  ['link', 'add', 'push0', 'type', 'veth', 'peer', 'name', 'push1'],
  ['address', 'add', '192.0.2.1/24', 'dev', 'push0'],
  ['link', 'set', 'push0', 'up'],
  ['link', 'set', 'push1', 'up'],
];

/**
 * Chromium opens its message socket only when it believes that it is online: some interface besides `lo` must be up and have an
 * address; no route is needed. Where there is none, as in a container without a network, root gets one.
 */
export function requireNetwork(): void {
  if (isOnline()) return;
  const commands = BRIDGE.map((words) => `ip ${words.join(' ')}`).join(' && ');
  if (process.getuid?.() === 0) for (const words of BRIDGE) spawnSync('ip', words);
  if (!isOnline()) {
    throw new Error(`Chromium takes no pushes while only the loopback interface is up. As root: ${commands}`);
  }
}

function isOnline(): boolean {
  return Object.values(networkInterfaces())
    .flat()
    .some((address) => address?.internal === false);
}
