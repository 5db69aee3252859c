import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { SECRET, token } from '../packages/carillon/test/support/realtime.ts';
import { startServer, type TestServer } from '../packages/carillon/test/support/server.ts';
import { Follower, SDKS } from './support/sdks.ts';
import { startWire, type Wire } from './support/wire.ts';

/** A large object of which little changes, so that deltas are worth it. */
const document = (n: number) => ({
  n,
  rows: Array.from({ length: 20 }, (_, row) => ({ row, text: row === n ? `změna ${n}` : 'beze změny' })),
});

for (const sdk of SDKS) {
  suite(`the official client for ${sdk.name}`, { skip: sdk.missing }, () => {
    let server: TestServer;
    let wire: Wire;
    let command: readonly string[];
    before(async () => {
      command = await sdk.prepare();
      const namespace = {
        history_size: 100,
        history_ttl: '60s',
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_history_for_subscriber: true,
        allowed_delta_types: ['fossil'],
        delta_publish: true,
      };
      server = await startServer({
        client: { token: { hmac_secret_key: SECRET } },
        channel: { namespaces: [{ name: 'followed', ...namespace }] },
      });
      wire = await startWire(server.carillon.url);
    });
    after(async () => {
      wire?.close();
      await server?.close();
    });

    for (const encoding of ['json', 'protobuf']) {
      test(`connects, follows by deltas, and has what it missed after a lost connection, in ${encoding}`, async () => {
        const channel = `followed:${encoding}`;
        const publish = (data: object) => server.call('publish', { channel, data });
        const url = `${wire.origin.replace('http', 'ws')}/connection/websocket`;
        const jwt = await token({ sub: '42', exp: Math.floor(Date.now() / 1000) + 600 });
        const follower = new Follower(command, [url, encoding, jwt, channel]);
        try {
          assert.deepEqual(await follower.next(), { event: 'subscribed', recovered: false });
          for (const n of [1, 2, 3]) {
            await publish(document(n));
            assert.deepEqual(await follower.next(), { event: 'publication', data: document(n), offset: n });
          }
          wire.cut();
          for (const n of [4, 5, 6]) await publish(document(n));
          wire.mend();
          assert.deepEqual(await follower.next(), { event: 'subscribed', recovered: true });
          for (const n of [4, 5, 6]) {
            assert.deepEqual(await follower.next(), { event: 'publication', data: document(n), offset: n });
          }
          await publish(document(7));
          assert.equal((await follower.next()).offset, 7);
          await publish({ end: true });
          assert.equal((await follower.next()).offset, 8);
          const history = [1, 2, 3, 4, 5, 6, 7].map(document);
          assert.deepEqual(await follower.next(), {
            event: 'history',
            offset: 8,
            data: [...history, { end: true }],
          });
        } finally {
          await follower.stop();
        }
      });
    }
  });
}
