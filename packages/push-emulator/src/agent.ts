import { Agent } from 'node:https';
import type { PushEmulator } from './emulator.ts';
import { addressOf } from './tls.ts';

/**
 * An agent for `node:https`, and libraries on it such as `web-push`, that finds the emulator under every name: endpoints of Chromium's
 * stand at a host of Google's. Only `Host` and the path tell which service is meant.
 */
export function emulatorAgent({ httpsUrl, ca }: PushEmulator): Agent {
  const { host: address, port } = addressOf(httpsUrl);
  return new Agent({
    ca,
    port,
    lookup: (_, { all }, done) => {
      const family = address.includes(':') ? 6 : 4;
      if (all) done(null, [{ address, family }]);
      else done(null, address, family);
    },
  });
}
