import type { PushEmulator } from '../emulator.ts';

/** Preferences that make the emulator a stock Firefox's push service. */
export function firefoxPreferences({ wsUrl }: PushEmulator): Record<string, string | boolean | number> {
  return {
    'dom.push.serverURL': wsUrl,
    // `ws:` is refused without it.
    'dom.push.testing.allowInsecureServerURL': true,
    // Remote control turns push off unless the user has set it.
    'dom.push.connection.enabled': true,
    // Come back soon after a cut connection, in milliseconds; 5000 otherwise.
    'dom.push.retryBaseInterval': 300,
  };
}
