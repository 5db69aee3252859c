import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { postgresDatabase, withoutPostgres } from '../support/database.ts';
import { startServer } from '../support/server.ts';

test('a server is not ready before its consumers have started: until then it may still refuse to run', {
  skip: withoutPostgres,
}, async () => {
  const { db, drop } = await postgresDatabase();
  await db.exec(`CREATE TABLE commands (
    id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL, partition int NOT NULL DEFAULT 0
  )`);
  const place = createServer().listen(0, '127.0.0.1');
  await once(place, 'listening');
  const { port } = place.address() as AddressInfo;
  place.close();
  await once(place, 'close');
  const health = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    return response && { status: response.status, body: await response.json() };
  };

  const starting = await db.transaction(async (tx) => {
    // The consumer looks at its table when it starts, and waits for this.
    await tx.exec('LOCK TABLE commands');
    const consumer = {
      name: 'orders',
      enabled: true,
      type: 'postgresql',
      postgresql: { outbox_table_name: 'commands' },
    };
    const server = startServer(
      { http_server: { address: '127.0.0.1', port }, health: { enabled: true }, consumers: [consumer] },
      { db },
    );
    let seen = await health();
    while (!seen) {
      await delay(10);
      seen = await health();
    }
    assert.deepEqual(seen, {
      status: 503,
      body: { live: true, ready: false, problems: { consumers: 'are being started' } },
    });
    return [server];
  });
  const [server] = await Promise.all(starting);
  while ((await health())?.status !== 200) await delay(10);
  await server?.close();
  await drop();
});
