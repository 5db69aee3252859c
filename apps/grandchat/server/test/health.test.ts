import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from 'carillon';
import {
  createPostgresDatabase,
  withoutPostgres,
} from '../../../../packages/carillon/test/support/database.ts';
import { startGrandChat } from '../src/index.ts';

test('says over /health whether its database answers', { skip: withoutPostgres }, async () => {
  const { dsn, drop } = await createPostgresDatabase();
  const db = await openDatabase({ dsn });
  const grandchat = await startGrandChat({
    db,
    origin: 'http://localhost:9000',
    port: 0,
    carillon: { url: 'http://127.0.0.1:1', apiKey: '', tokenSecret: 'a secret for tests' },
    vapidPublicKey: '',
  });
  try {
    const health = async () => {
      const response = await fetch(`http://127.0.0.1:${grandchat.port}/health`);
      return { status: response.status, ...((await response.json()) as object) };
    };
    assert.deepEqual(await health(), { status: 200, live: true, ready: true, problems: {} });
    await db.close();
    // A look is good for half a second.
    while ((await health()).status === 200) await new Promise((resolve) => setTimeout(resolve, 50));
    const { status, problems } = (await health()) as { status: number; problems?: { database?: string } };
    assert.equal(status, 503);
    assert.ok(problems?.database);
  } finally {
    await grandchat.close();
    await drop();
  }
});
