import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { startPushEmulator } from 'push-emulator';
import { createPostgresDatabase } from '../packages/carillon/test/support/database.ts';
import { startRedis } from '../packages/carillon/test/support/redis.ts';
import { CARILLON_COMMAND } from '../scripts/start/settings.ts';
import { missing } from './support/requires.ts';

const PROJECT = 'grand-chat';

/** The tutorial's `config.json`, to the letter but for the hosts. */
const configuration = (dsn: string, redis: string) => `{
  "database": {
    "enabled": true,
    "postgresql": {
      "dsn": "${dsn}"
    }
  },
  "push_notifications": {
    "enabled": true,
    "queue": {
      "redis": {
        "address": "${redis}"
      }
    },
    "enabled_providers": [
      "fcm"
    ],
    "fcm": {
      "credentials_file": "fcm.json"
    }
  }
}`;

suite('the tutorial’s own configuration', { skip: missing('postgresql', 'redis') }, () => {
  test('starts the server as it stands, and its calls ring an FCM device until the user logs out', async () => {
    const closers: (() => Promise<unknown>)[] = [];
    try {
      const emulator = await startPushEmulator();
      closers.push(() => emulator.close());
      const database = await createPostgresDatabase();
      closers.push(() => database.drop());
      const redis = await startRedis();
      closers.push(() => redis.drop());
      const folder = await mkdtemp(join(tmpdir(), 'tutorial-'));
      closers.push(() => rm(folder, { recursive: true, force: true }));
      await writeFile(join(folder, 'config.json'), configuration(database.dsn, redis.address));
      await writeFile(join(folder, 'fcm.json'), emulator.serviceAccount({ projectId: PROJECT }));
      const server = await startServer(folder, emulator.url);
      closers.push(() => server.close());

      const token = emulator.fcm.createToken({ projectId: PROJECT });
      await server.call('user_topic_update', { user: '42', topics: ['chat:messages:7'], op: 'add' });
      const { id } = await server.call<{ id: string }>('device_register', {
        user: '42',
        provider: 'fcm',
        token,
        platform: 'web',
        meta: { 'user-agent': 'a browser' },
        timezone: 'Europe/Nicosia',
      });
      const message = (body: string) => ({
        recipient: { filter: { topics: ['chat:messages:7'] } },
        notification: {
          fcm: {
            message: {
              notification: { title: 'General', body },
              webpush: { fcm_options: { link: 'https://localhost:9000/rooms/7' } },
            },
          },
        },
      });
      await server.call('send_push_notification', message('hello'));
      const push = await emulator.waitFor(({ service, state }) => service === 'fcm' && state === 'accepted');
      assert.equal(push.target, token);
      const { notification } = push.payload as { notification: object };
      assert.deepEqual(notification, { title: 'General', body: 'hello' });

      await server.call('device_remove', { users: ['42'], ids: [id] });
      const { uid } = await server.call<{ uid: string }>('send_push_notification', message('too late'));
      await server.untilDone(uid);
      assert.equal(emulator.messages().filter(({ service }) => service === 'fcm').length, 1);
    } finally {
      for (const closer of closers.reverse()) await closer();
    }
  });
});

/** `carillon serve --config config.json` in the folder of the files, as the tutorial has it. */
async function startServer(folder: string, emulatorUrl: string) {
  const child = spawn(process.execPath, [CARILLON_COMMAND, 'serve', '--config', 'config.json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      CARILLON_DATA_DIR: folder,
      CARILLON_HTTP_API_KEY: 'api_key',
      CARILLON_HTTP_SERVER_PORT: '0',
      CARILLON_PUSH_NOTIFICATIONS_FCM_ENDPOINT: emulatorUrl,
    },
  });
  const exited = once(child, 'exit');
  let log = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      log += chunk;
      const found = /"url":"([^"]+)"/.exec(log)?.[1];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    exited.then(([code]) => reject(new Error(`carillon serve ended with ${code}:\n${log}`)));
  });
  async function call<T>(method: string, request: object): Promise<T> {
    const response = await fetch(`${url}/api/${method}`, {
      method: 'POST',
      headers: { 'X-API-Key': 'api_key', 'X-Centrifugo-Error-Mode': 'transport' },
      body: JSON.stringify(request),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return (JSON.parse(text) as { result: T }).result;
  }
  return {
    call,
    async untilDone(uid: string) {
      while ((await call<{ state: string }>('push_status', { uid })).state !== 'done') {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async close() {
      child.kill('SIGTERM');
      const [code] = await exited;
      assert.equal(code, 0, log);
    },
  };
}
