import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { token } from '../packages/carillon/test/support/realtime.ts';
import { startServer, type TestServer } from '../packages/carillon/test/support/server.ts';
import { freePort } from '../scripts/setup/free-ports.ts';
import { type Centrifugo, startCentrifugo, withoutCentrifugo } from './support/centrifugo.ts';
import { BY_CONFIGURATION } from './support/conversations/by-configuration.ts';
import {
  CONVERSATIONS,
  CONVERSATIONS_IN_PROTOBUF,
  PROTOCOL_NAMESPACES,
} from './support/conversations/index.ts';
import { Talk } from './support/protocol-talk.ts';

const SECRET = 'a secret for tests';
const KEY = 'the key';

const COMMON = { client: {}, channel: {} };
/** What is configured in addition to the common, and what is said under it. */
const CONFIGURATIONS = [
  ['in JSON', COMMON, CONVERSATIONS] as const,
  ['in Protobuf', COMMON, CONVERSATIONS_IN_PROTOBUF] as const,
  ...BY_CONFIGURATION,
];

for (const [circumstances, options, conversations] of CONFIGURATIONS) {
  const encoding = conversations === CONVERSATIONS_IN_PROTOBUF ? 'protobuf' : 'json';
  suite(`the client protocol of Carillon and of Centrifugo, ${circumstances}`, {
    skip: withoutCentrifugo,
  }, () => {
    let centrifugo: Centrifugo;
    let carillon: TestServer;
    let folder: string;
    before(async () => {
      const configuration = {
        client: {
          token: { hmac_secret_key: SECRET },
          allowed_origins: ['http://localhost:9000'],
          ...options.client,
        },
        http_api: { key: KEY },
        channel: { namespaces: PROTOCOL_NAMESPACES, ...options.channel },
        http_stream: { enabled: true },
        sse: { enabled: true },
        uni_websocket: { enabled: true },
        uni_sse: { enabled: true },
        uni_http_stream: { enabled: true },
      };
      folder = await mkdtemp(join(tmpdir(), 'protocol-'));
      const file = join(folder, 'config.json');
      await writeFile(file, JSON.stringify(configuration));
      centrifugo = await startCentrifugo({ file, port: await freePort() });
      carillon = await startServer(configuration);
    });
    after(async () => {
      await carillon?.close();
      await centrifugo?.close();
      await rm(folder, { recursive: true, force: true });
    });

    for (const [what, converse, difference] of conversations) {
      test(`${what}: ${difference ? 'differs as is known' : 'the same'}`, async () => {
        const [theirs, ours] = await Promise.all(
          [centrifugo.url, carillon.carillon.url].map(async (url) => {
            const talk = new Talk(url, KEY, (claims) => token(claims, SECRET), encoding);
            try {
              await converse(talk);
              return talk.transcript();
            } finally {
              talk.close();
            }
          }),
        );
        if (difference) {
          assert.notDeepEqual(ours, theirs, `no difference any more: ${difference}`);
        } else {
          assert.deepEqual(ours, theirs);
        }
      });
    }
  });
}
