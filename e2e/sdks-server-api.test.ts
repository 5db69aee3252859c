import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { memoryDatabase } from '../packages/carillon/test/support/database.ts';
import { RawClient, SECRET } from '../packages/carillon/test/support/realtime.ts';
import { startServer, type TestServer } from '../packages/carillon/test/support/server.ts';
import { type Answer, type ApiClient, openCentJs, startApiProgram, UNTOLD } from './support/api-clients.ts';
import { missing } from './support/requires.ts';
import { go, python, withoutGo } from './support/sdks.ts';

/** A key of Google's kind, which a dry run needs but never uses. */
const SERVICE_ACCOUNT = {
  type: 'service_account',
  project_id: 'a-project',
  client_email: 'push@a-project.iam.gserviceaccount.com',
  private_key: generateKeyPairSync('rsa', { modulusLength: 2_048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
  token_uri: 'https://oauth2.googleapis.com/token',
};

/** Of one word: what follows `Authorization: apikey` must be. */
const KEY = 'one-word';

interface Language {
  readonly name: string;
  readonly missing: string | false;
  /** Methods and fields of real time that it does not know. */
  readonly lacks: readonly string[];
  readonly hasPush: boolean;
  /** Whether it tells the code of an error. */
  readonly tellsCodes: boolean;
  open(url: string): Promise<ApiClient>;
}

const LANGUAGES: readonly Language[] = [
  {
    name: 'Python',
    missing: missing('python'),
    lacks: [],
    hasPush: true,
    tellsCodes: true,
    open: async (url) => startApiProgram(await python('cent', 'calls.py'), url, KEY),
  },
  {
    name: 'Go',
    missing: withoutGo,
    lacks: ['refresh', 'num_clients of channels'],
    hasPush: false,
    tellsCodes: true,
    open: async (url) => startApiProgram(await go('gocent'), url, KEY),
  },
  {
    name: 'JavaScript',
    missing: false,
    lacks: [],
    hasPush: false,
    tellsCodes: false,
    open: async (url) => openCentJs(url, KEY),
  },
];

for (const language of LANGUAGES)
  suite(`the client of the server API for ${language.name}`, { skip: language.missing }, () => {
    let server: TestServer;
    let drop: () => Promise<void>;
    let client: ApiClient | undefined;
    before(async () => {
      const database = await memoryDatabase();
      drop = database.drop;
      server = await startServer(
        {
          http_api: { key: KEY },
          client: { token: { hmac_secret_key: SECRET } },
          channel: {
            namespaces: [
              { name: 'news', history_size: 10, history_ttl: '60s', presence: true },
              { name: 'plain' },
            ],
          },
          push_notifications: {
            enabled: true,
            enabled_providers: ['fcm'],
            dry_run: true,
            fcm: { credentials_json: JSON.stringify(SERVICE_ACCOUNT) },
          },
        },
        { db: database.db },
      );
      client = await language.open(`${server.carillon.url}/api`);
    });
    after(async () => {
      await client?.close();
      await server?.close();
      await drop?.();
    });

    async function ask(method: string, request: object): Promise<Answer> {
      return (client as ApiClient).ask(method, request);
    }

    /** The result of a call that must succeed. */
    async function result(method: string, request: object): Promise<Record<string, unknown>> {
      const answer = await ask(method, request);
      assert.equal(answer.error, undefined, `${method}: ${answer.error}`);
      return answer.result ?? {};
    }

    test('understands every answer of real time', async () => {
      const live = await RawClient.connected(
        `${server.carillon.url.replace('http', 'ws')}/connection/websocket`,
        { sub: '42' },
      );
      const published = await result('publish', { channel: 'news:a', data: { n: 1 }, idempotency_key: 'k' });
      assert.equal(published.offset, 1);
      const { responses } = await result('broadcast', { channels: ['news:a', 'nope:a'], data: 2 });
      const [good, bad] = responses as { result?: { offset: number }; error?: { code: number } }[];
      assert.deepEqual([good?.result?.offset, bad?.error?.code], [2, 102]);
      const { publications } = await result('history', { channel: 'news:a', limit: -1 });
      assert.deepEqual(
        (publications as { data: unknown; offset: number }[]).map(({ data, offset }) => [data, offset]),
        [
          [{ n: 1 }, 1],
          [2, 2],
        ],
      );
      await result('history_remove', { channel: 'news:a' });
      await result('subscribe', { user: '42', channel: 'news:live', data: { d: 1 }, info: { i: 1 } });
      assert.deepEqual(((await live.next()).push as { channel: string }).channel, 'news:live');
      const { presence } = await result('presence', { channel: 'news:live' });
      assert.deepEqual(
        Object.values(presence as object).map(({ user, chan_info }) => [user, chan_info]),
        [['42', { i: 1 }]],
      );
      const stats = await result('presence_stats', { channel: 'news:live' });
      assert.deepEqual(stats, { num_clients: 1, num_users: 1 });
      const { channels } = await result('channels', { pattern: 'news:*' });
      assert.deepEqual(Object.keys(channels as object), ['news:live']);
      if (!language.lacks.includes('num_clients of channels'))
        assert.deepEqual(channels, { 'news:live': { num_clients: 1 } });
      const { nodes } = await result('info', {});
      assert.equal((nodes as { num_clients: number }[])[0]?.num_clients, 1);
      if (!language.lacks.includes('refresh'))
        await result('refresh', { user: '42', expire_at: Math.floor(Date.now() / 1000) + 60 });
      await result('unsubscribe', { user: '42', channel: 'news:live' });
      const { replies } = await result('batch', [
        { method: 'publish', request: { channel: 'news:a', data: 3 } },
        { method: 'presence_stats', request: { channel: 'news:a' } },
      ]);
      assert.deepEqual(
        (replies as { offset?: number; num_clients?: number }[]).map(
          (reply) => reply.offset ?? reply.num_clients,
        ),
        [3, 0],
      );
      await result('disconnect', { user: '42', disconnect: { code: 4_000, reason: 'bye' } });
      assert.deepEqual(await live.closed(), { code: 4_000, reason: 'bye' });
      for (const [method, channel, code] of [
        ['publish', 'nope:a', 102],
        ['history', 'plain:a', 108],
      ] as const) {
        const { error } = await ask(method, { channel, data: 1 });
        assert.equal(error, language.tellsCodes ? code : UNTOLD);
      }
    });

    if (language.hasPush)
      test('understands every answer of push notifications', async () => {
        const { id } = await result('device_register', {
          provider: 'fcm',
          platform: 'android',
          token: 'a-token',
          user: 'meg',
          topics: ['a'],
          meta: { k: 'v' },
          locale: 'el',
        });
        await result('device_update', { ids: [id], topics_update: { op: 'add', topics: ['b'] } });
        await result('user_topic_update', { user: 'meg', op: 'add', topics: ['c'] });
        await result('device_topic_update', { device_id: id, op: 'remove', topics: ['a'] });
        const { items, total_count } = await result('device_list', {
          filter: { users: ['meg'] },
          include_topics: true,
          include_meta: true,
          include_total_count: true,
        });
        const [device] = items as Record<string, unknown>[];
        assert.deepEqual(
          [device?.id, device?.topics, device?.meta, total_count],
          [id, ['b', 'c'], { k: 'v' }, 1],
        );
        const ofDevice = await result('device_topic_list', {
          filter: { device_ids: [id] },
          include_device: true,
        });
        assert.equal((ofDevice.items as object[]).length, 2);
        const ofUser = await result('user_topic_list', { filter: { users: ['meg'] } });
        assert.equal((ofUser.items as { topic: string }[])[0]?.topic, 'c');
        const { uid } = await result('send_push_notification', {
          uid: 'push-1',
          recipient: { filter: { topics: ['b'] } },
          notification: { fcm: { message: { notification: { title: 'hi' } } } },
        });
        assert.equal(uid, 'push-1');
        for (;;) {
          const { result: pushStatus } = JSON.parse(
            (await server.post('push_status', { uid }, { 'x-api-key': KEY })).text,
          ) as {
            result: { state: string; counts: object };
          };
          if (pushStatus.state !== 'done') continue;
          assert.deepEqual(pushStatus.counts, { accepted: 1 });
          break;
        }
        await result('update_push_status', { analytics_uid: uid, device_id: id, status: 'delivered' });
        await result('cancel_push', { uid: 'push-2' });
        await result('device_remove', { ids: [id] });
        assert.deepEqual((await result('device_list', { filter: {} })).items, []);
      });
  });
