import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryDatabase, withoutPostgres } from '../../support/database.ts';
import { startServer } from '../../support/server.ts';
import { WalPlace } from './place.ts';

const consumers = (options: object) => [
  {
    name: 'Orders',
    enabled: true,
    type: 'postgresql_wal',
    postgresql_wal: { table_name: 'commands', ...options },
  },
];
const channel = { without_namespace: { history_size: 10, history_ttl: '60s' } };

test('a whole server reads the log of its own database: rows reach channels, and metrics tell of it', {
  skip: withoutPostgres,
}, async () => {
  const place = await WalPlace.open({ slot: false });
  const server = await startServer({
    channel,
    database: { enabled: true, postgresql: { dsn: place.dsn } },
    prometheus: { enabled: true },
    consumers: consumers({ slot_name: place.slot, publication_name: 'commands_pub' }),
  });
  try {
    await place.put([{ method: 'publish', payload: { channel: 'news', data: { n: 1 } } }]);
    await place.until(async () => {
      const { result } = (await server.call('history', { channel: 'news', limit: 10 })) as {
        result?: { publications?: { data: unknown }[] };
      };
      return JSON.stringify(result?.publications?.map(({ data }) => data)) === '[{"n":1}]';
    });
    const expected = [
      /centrifugo_consumers_messages_processed_total\{consumer_name="Orders"\} 1/,
      /carillon_consumers_retained_bytes\{consumer_name="Orders"\} [1-9]/,
      /carillon_consumers_lag_bytes\{consumer_name="Orders",partition=""\} \d+/,
    ];
    await place.until(async () => {
      const metrics = await (await fetch(`${server.carillon.url}/metrics`)).text();
      return expected.every((line) => line.test(metrics));
    });
  } finally {
    await server.close();
    await place.drop();
  }
});

test('a server on the embedded database refuses the consumer, with words', async () => {
  const { db, drop } = await memoryDatabase();
  await assert.rejects(
    startServer({ consumers: consumers({}) }, { db }),
    /the embedded database has none to be read: set postgresql_wal\.dsn, or use the consumer type postgresql/,
  );
  await drop();
});
