import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { migrate } from 'carillon';
import { MIGRATIONS } from '../../apps/grandchat/server/src/migrations.ts';
import { DatabaseParkingLot } from '../../packages/carillon/src/consumers/parking.ts';
import { postgresDatabase, withoutPostgres } from '../../packages/carillon/test/support/database.ts';
import { silent } from '../../packages/carillon/test/support/realtime.ts';

const DOC = join(import.meta.dirname, '..', '..', 'docs', 'broadcast-modes.md');

test('the statements of docs/broadcast-modes.md show parked commands and put each back once, as it was', {
  skip: withoutPostgres,
}, async () => {
  const [show, putBack, putBackFromKafka] = [...readFileSync(DOC, 'utf8').matchAll(/```sql\n(.*?)```/gs)].map(
    ([, sql]) => sql as string,
  );
  const { db, drop } = await postgresDatabase();
  const lot = new DatabaseParkingLot(db, silent);
  try {
    await migrate(db, 'grandchat', MIGRATIONS);
    await lot.open();
    const payload = { channel: 'nope:1', data: { text: 'it’s' } };
    const reason = 'unknown channel';
    for (const position of ['7', '8'])
      await lot.park('grandchat', { method: 'publish', body: payload, partition: 2, position, reason });
    // As Debezium writes a row.
    const row = { id: 9, method: 'publish', payload: JSON.stringify(payload), partition: 3 };
    const partition = 'postgres.public.chat_cdc/17';
    await lot.park('grandchat_cdc', {
      method: '',
      body: JSON.stringify(row),
      partition,
      position: '40',
      reason,
    });

    const shown = await db.query<{ consumer: string; reason: string }>(show ?? '');
    assert.deepEqual(
      shown.map(({ consumer }) => consumer),
      ['grandchat', 'grandchat', 'grandchat_cdc'],
    );
    for (let times = 0; times < 2; times++) {
      await db.query(putBack ?? '');
      await db.query(putBackFromKafka ?? '');
    }
    const rowsOf = (table: string) => db.query(`SELECT method, payload, partition FROM ${table} ORDER BY id`);
    const command = { method: 'publish', payload };
    assert.deepEqual(await rowsOf('chat_outbox'), [
      { ...command, partition: 2 },
      { ...command, partition: 2 },
    ]);
    assert.deepEqual(await rowsOf('chat_cdc'), [{ ...command, partition: 3 }]);
    assert.deepEqual(await db.query(show ?? ''), []);
  } finally {
    lot.close();
    await drop();
  }
});
