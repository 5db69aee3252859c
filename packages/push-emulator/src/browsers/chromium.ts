import type { PushEmulator } from '../emulator.ts';

export interface ChromiumArgumentsOptions {
  /** Nothing but this machine resolves: nothing a test does can depend on the internet. */
  readonly isOffline?: boolean;
}

/** Hosts of Google's that a page with the Firebase web SDK asks. */
const FIREBASE_HOSTS = ['firebaseinstallations.googleapis.com', 'fcmregistrations.googleapis.com'];

/**
 * What to start a stock Chromium or Chrome with, so that the emulator is its push service, and Firebase's for its pages. It needs a
 * profile folder of its own (`--user-data-dir`; in Playwright `launchPersistentContext`): in a throw-away context subscribing fails.
 */
export function chromiumArguments(
  { url, httpsUrl, mcsUrl, spkiHash }: PushEmulator,
  { isOffline = false }: ChromiumArgumentsOptions = {},
): string[] {
  const secure = new URL(httpsUrl).host;
  const rules = [
    ...FIREBASE_HOSTS.map((host) => `MAP ${host} ${secure}`),
    ...(isOffline ? ['MAP * ~NOTFOUND', 'EXCLUDE localhost', 'EXCLUDE 127.0.0.1'] : []),
  ];
  return [
    `--gcm-checkin-url=${url}/checkin`,
    `--gcm-registration-url=${url}/register`,
    // A whole URL: with host and port alone it does not connect, and does not say so.
    `--gcm-mcs-endpoint=${mcsUrl}`,
    `--ignore-certificate-errors-spki-list=${spkiHash}`,
    `--host-resolver-rules=${rules.join(', ')}`,
    '--disable-quic',
    '--disable-sync',
    '--disable-component-update',
    '--no-first-run',
    // Chromium's sandbox does not start as root, as in a container.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ];
}
