/** GrandChat with a real Centrifugo for real time, and Carillon for nothing but push. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import pg from 'pg';
import { WebSocket } from 'ws';
import { createPostgresDatabase } from '../packages/carillon/test/support/database.ts';
import { freePort } from '../scripts/setup/free-ports.ts';
import { tutorialConfiguration } from './support/both-servers.ts';
import { type Centrifugo, startCentrifugo, withoutCentrifugo } from './support/centrifugo.ts';
import { Person } from './support/person.ts';
import { type PushSink, startPushSink } from './support/push-sink.ts';
import { missing } from './support/requires.ts';
import { type Stack, startStack } from './support/stack.ts';
import { Watcher } from './support/watcher.ts';

/** GrandChat's, of both kinds together. */
const PARTITIONS = 8;
const MESSAGES = 20;

for (const mode of ['outbox', 'api']) {
  suite(`Centrifugo for real time, Carillon for push, in mode ${mode}`, {
    skip: withoutCentrifugo || missing('postgresql'),
  }, () => {
    const closers: (() => unknown)[] = [];
    const written: number[] = [];
    let centrifugo: Centrifugo;
    let stack: Stack;
    let sink: PushSink;
    let dsn: string;
    let ann: Person;
    let bob: Person;
    let room: number;
    let screen: Watcher;

    before(async () => {
      sink = await startPushSink();
      closers.push(() => sink.close());
      const database = await createPostgresDatabase();
      closers.push(database.drop);
      dsn = database.dsn;
      const port = await freePort();
      stack = await startStack({
        dsn,
        env: {
          GRANDCHAT_BROADCAST_MODE: mode,
          GRANDCHAT_REALTIME_URL: `http://127.0.0.1:${port}`,
          GRANDCHAT_REALTIME_API_KEY: 'api_key',
          CARILLON_CLIENT_TOKEN_HMAC_SECRET_KEY: 'secret',
          CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: sink.origin,
          // What Centrifugo's restart costs would be told of at length.
          GRANDCHAT_LOG_LEVEL: 'silent',
        },
      });
      closers.push(() => stack.close());
      const folder = await mkdtemp(join(tmpdir(), 'centrifugo-'));
      closers.push(() => rm(folder, { recursive: true, force: true }));
      const file = join(folder, 'config.json');
      const config = tutorialConfiguration(dsn, { origin: stack.origin, partitions: PARTITIONS });
      await writeFile(file, JSON.stringify(config));
      centrifugo = await startCentrifugo({ file, port });
      closers.push(() => centrifugo.close());

      ann = await Person.signUp(stack.origin, 'ann');
      bob = await Person.signUp(stack.origin, 'bob');
      room = await ann.createRoom('Two servers');
      await bob.join(room);
      await bob.post('/api/device/register/', {
        device: { provider: 'webpush', platform: 'web', token: sink.subscription('bob') },
      });
      screen = await Watcher.open(bob, room);
      closers.push(() => screen.close());
    });
    after(async () => {
      for (const closer of closers.reverse()) await closer();
    });

    test('a message comes to the other member through Centrifugo, and to a device through Carillon', async () => {
      const pushed = sink.next();
      written.push(await ann.write(room, 'hello'));
      await screen.until(() => screen.messages(room).at(-1)?.content === 'hello');
      const event = screen.events.find(({ type }) => type === 'message_added');
      assert.equal(event?.type === 'message_added' && event.body.content, 'hello');
      assert.equal((await pushed).payload.notification.data.text, 'hello');
      const response = await fetch(`${centrifugo.url}/api/channels`, {
        method: 'POST',
        headers: { 'X-API-Key': 'api_key' },
        body: '{}',
      });
      const { result } = (await response.json()) as { result: { channels: Record<string, object> } };
      assert.deepEqual(Object.keys(result.channels), [`personal:${bob.id}`]);
    });

    test('a page of GrandChat’s own gets in, and one of another origin does not', async () => {
      const open = (origin: string) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(`${stack.origin.replace('http', 'ws')}/connection/websocket`, {
            origin,
          });
          socket.on('open', () => {
            socket.terminate();
            resolve('open');
          });
          socket.on('error', (error) => resolve(error.message));
        });
      assert.equal(await open(stack.origin), 'open');
      assert.match(await open('https://elsewhere.example'), /403/);
    });

    test('Centrifugo killed and started again in the middle: every screen has every message, once, in order, and so has the device', async () => {
      const write = async (count: number) => {
        for (let n = 0; n < count; n++) written.push(await ann.write(room, `message ${written.length}`));
      };
      await write(MESSAGES);
      await centrifugo.kill();
      await write(MESSAGES);
      await centrifugo.start();
      await write(MESSAGES);
      await screen.until(() => screen.messages(room).at(-1)?.id === written.at(-1));
      assert.deepEqual(
        screen.messages(room).map(({ id }) => id),
        written,
      );
      while (sink.pushes.length < written.length) await sink.next();
      assert.deepEqual(
        sink.pushes.map(({ payload }) => payload.notification.data.message_id).sort((a, b) => a - b),
        written,
      );
      await untilEmpty(dsn, 'chat_outbox', 'chat_push_outbox');
    });
  });
}

/** Resolves when all commands have been carried out. */
async function untilEmpty(dsn: string, ...tables: string[]): Promise<void> {
  const database = new pg.Client({ connectionString: dsn });
  await database.connect();
  try {
    for (const table of tables) {
      const count = () => database.query(`SELECT count(*)::int AS left FROM ${table}`);
      while ((await count()).rows[0].left > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await database.end();
  }
}
