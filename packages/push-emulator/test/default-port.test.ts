import assert from 'node:assert/strict';
import { get, type RequestOptions } from 'node:https';
import { describe, it } from 'node:test';
import { emulatorAgent } from '../src/agent.ts';
import type { PushEmulator } from '../src/emulator.ts';
import { redirectVendors } from '../src/redirect.ts';

/** An address of this machine at which nobody listens. */
const SILENT = '127.9.9.9';
const emulator = {
  httpsUrl: `https://${SILENT}:443`,
  apnsUrl: `https://${SILENT}:443`,
  ca: '',
} as PushEmulator;

/** Where a request to Google's host is led. */
function destination(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get('https://fcm.googleapis.com/', options, () => reject(new Error('somebody answered')));
    request.on('error', (error: NodeJS.ErrnoException & { address?: string; port?: number }) =>
      resolve(`${error.code} ${error.address}:${error.port}`),
    );
  });
}

describe('an emulator at the port that URLs leave out', () => {
  it('is found by what leads the vendors’ hosts to it', async () => {
    const takeBack = redirectVendors(emulator);
    try {
      assert.equal(await destination({}), `ECONNREFUSED ${SILENT}:443`);
    } finally {
      takeBack();
    }
  });

  it('is found by its agent', async () => {
    const agent = emulatorAgent(emulator);
    assert.equal(await destination({ agent }), `ECONNREFUSED ${SILENT}:443`);
  });
});
