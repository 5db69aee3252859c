import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { createPostgresDatabase } from '../packages/carillon/test/support/database.ts';
import { type App, startApp } from './support/app.ts';
import { Person } from './support/person.ts';
import { startPushSink } from './support/push-sink.ts';
import { missing } from './support/requires.ts';

interface Rooms {
  results: { id: number; name: string; unread_count: number; last_message: { content: string } | null }[];
}

suite('npm start on the embedded database', () => {
  test('shows where all is, keeps everything over kill -9, and a second start is up within seconds', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'start-'));
    let app: App | undefined;
    try {
      app = await startApp({ dataDir });
      const block = app.output();
      assert.match(block, new RegExp(`GrandChat\\s+${app.origin}`));
      assert.match(block, new RegExp(`Carillon\\s+${app.carillonUrl}`));
      assert.match(block, new RegExp(`Data\\s+${dataDir}`));
      assert.match(block, /alice\s+password carillon-demo/);

      const alice = await Person.logIn(app.origin, 'alice', 'carillon-demo');
      const room = await alice.createRoom('Kept');
      await alice.write(room, 'still here');
      // The server is a child of the script that `npm start` runs: the test's own child is that server.
      const gone = once(app.process, 'exit');
      app.process.kill('SIGKILL');
      await gone;

      app = await startApp({ dataDir });
      assert.doesNotMatch(app.output(), /Demo accounts/);
      const seconds = Number(/Ready after ([\d.]+) s/.exec(app.output())?.[1]);
      assert.ok(seconds < 10, `${seconds} s`);
      const again = await Person.logIn(app.origin, 'alice', 'carillon-demo');
      const { results } = await again.get<Rooms>('/api/rooms/');
      assert.deepEqual([results[0]?.name, results[0]?.last_message?.content], ['Kept', 'still here']);
    } finally {
      await app?.close();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  test('a second one on the same data says who has them, and the first goes on', async () => {
    const app = await startApp();
    try {
      await assert.rejects(
        startApp({ dataDir: app.dataDir }),
        new RegExp(`Could not start: ${app.dataDir} is in use by process ${app.process.pid}`),
      );
      assert.equal((await fetch(`${app.origin}/api/settings/`)).status, 200);
    } finally {
      await app.close();
    }
  });

  test('a port in use is said in words', async () => {
    const app = await startApp();
    try {
      const ports = { grandchat: Number(new URL(app.origin).port), carillon: 1 };
      await assert.rejects(
        startApp({ ports }),
        /Could not start: port \d+ is in use by another program: stop it, or set GRANDCHAT_PORT/,
      );
    } finally {
      await app.close();
    }
  });
});

/** The same on both: one process on the embedded database, two on PostgreSQL. */
function wholePath(
  title: string,
  open: () => Promise<{ databaseUrl?: string; drop: () => Promise<void> }>,
  skip: string | false,
) {
  test(`a message reaches who is here by WebSocket and who is away by push, ${title}`, { skip }, async () => {
    const database = await open();
    const sink = await startPushSink();
    let app: App | undefined;
    try {
      app = await startApp({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        env: {
          CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: sink.origin,
          // Keys of one's own win over those of the first start, in both halves.
          CARILLON_HTTP_API_KEY: 'my own key',
          CARILLON_CLIENT_TOKEN_HMAC_SECRET_KEY: 'my own secret',
        },
      });
      const writer = await Person.signUp(app.origin, 'writer');
      const reader = await Person.signUp(app.origin, 'reader');
      const room = await writer.createRoom('Both ways');
      await reader.join(room);
      for (const person of [writer, reader]) {
        const device = { provider: 'webpush', platform: 'web', token: sink.subscription(person.username) };
        await person.post('/api/device/register/', { device });
      }
      const { client, subscription } = reader.realtime();
      const arrived = new Promise<{ content: string }>((resolve) => {
        subscription.on('publication', ({ data }) => data.type === 'message_added' && resolve(data.body));
      });
      client.connect();
      await subscription.ready(10_000);
      const pushed = sink.next();
      await writer.write(room, 'Hello over there');
      assert.equal((await arrived).content, 'Hello over there');
      const push = await pushed;
      assert.equal(push.name, 'reader', 'the writer is not rung');
      assert.equal(push.headers.topic, `room-${room}`);
      assert.equal(push.payload.notification.body, 'writer: Hello over there');

      const marker = sink.next();
      await reader.post('/api/logout/', {});
      await writer.write(room, 'Nobody left');
      await reader.logInAgain();
      await reader.post('/api/device/register/', {
        device: { provider: 'webpush', platform: 'web', token: sink.subscription('reader again') },
      });
      await writer.write(room, 'Back again');
      const next = await marker;
      assert.deepEqual(
        [next.name, next.payload.notification.data.text],
        ['reader again', 'Back again'],
        'logged out, nothing rang',
      );
      client.disconnect();
    } finally {
      await app?.close();
      sink.close();
      await database.drop();
    }
  });
}

wholePath('on the embedded database', async () => ({ drop: async () => {} }), false);
wholePath(
  'on PostgreSQL in two processes',
  async () => {
    const { dsn, drop } = await createPostgresDatabase();
    return { databaseUrl: dsn, drop };
  },
  missing('postgresql'),
);

test('npx carillon runs the server’s command in a checkout', async () => {
  const { stdout } = await promisify(execFile)('npx', ['carillon', 'version'], {
    cwd: join(import.meta.dirname, '..'),
  });
  assert.match(stdout, /^\d+\.\d+\.\d+ Carillon\n$/);
});
