import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Database } from '../../src/storage/database.ts';
import { eachPush, type PushPlace, subscription } from '../support/push.ts';
import { API_KEY, startServer, type TestServer } from '../support/server.ts';

interface Reply {
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
}

const OUTBOX = `CREATE TABLE outbox (
  id bigserial PRIMARY KEY, method text NOT NULL, payload jsonb NOT NULL, partition int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now())`;

/** Each method once, in an order in which it makes sense: what to send, and what of the answer must be there. */
const STEPS: readonly {
  readonly method: string;
  readonly request: (known: Record<string, string>) => object;
  readonly result: RegExp;
}[] = [
  {
    method: 'device_register',
    request: () => ({
      provider: 'webpush',
      platform: 'web',
      token: subscription('every'),
      user: 'eve',
      topics: ['news'],
      timezone: 'Europe/Nicosia',
      locale: 'pt-BR',
      meta: { first_name: 'Eve' },
    }),
    result: /"id":"webpush-\w{26}"/,
  },
  {
    method: 'user_topic_update',
    request: () => ({ user: 'eve', op: 'add', topics: ['room'] }),
    result: /^{}$/,
  },
  {
    method: 'device_topic_update',
    request: ({ id }) => ({ device_id: id, op: 'add', topics: ['own'], user: 'eve' }),
    result: /^{}$/,
  },
  {
    method: 'device_update',
    request: ({ id }) => ({ ids: [id], users: ['eve'], locale_update: { locale: 'de' } }),
    result: /^{}$/,
  },
  {
    method: 'device_list',
    request: () => ({
      filter: { users: ['eve'] },
      include_topics: true,
      include_meta: true,
      include_total_count: true,
    }),
    result: /"locale":"de".*"topics":\["news","own","room"\].*"total_count":1/,
  },
  {
    method: 'user_topic_list',
    request: () => ({ filter: { users: ['eve'] } }),
    result: /"user":"eve","topic":"room"/,
  },
  {
    method: 'device_topic_list',
    request: ({ id }) => ({
      filter: { device_ids: [id], topic_prefix: 'ro' },
      include_device: true,
      include_total_count: true,
    }),
    result: /"topic":"room","device":{.*"user":"eve".*}.*"total_count":1/,
  },
  {
    method: 'send_push_notification',
    request: () => ({
      uid: 'every-way',
      analytics_uid: 'campaign',
      optimize_for_reliability: true,
      recipient: { filter: { topics: ['room'], exclude: { users: ['writer'] } } },
      notification: {
        webpush: {
          headers: { TTL: '60' },
          payload: { text: '{{default [[hello]] .l10n.hi}} {{.device.meta.first_name}}' },
        },
        expire_at: Math.floor(Date.now() / 1000) + 3_600,
      },
      use_templating: true,
      use_meta: true,
      localizations: { de: { translations: { hi: 'Hallo' } } },
      limit_strategy: { rate_limit: { policies: [{ rate: 100, interval_ms: 1_000 }] } },
    }),
    result: /^{"uid":"every-way"}$/,
  },
  {
    method: 'update_push_status',
    request: ({ id }) => ({ analytics_uid: 'campaign', device_id: id, status: 'interacted', msg_id: 'm' }),
    result: /^{}$/,
  },
  { method: 'push_status', request: () => ({ analytics_uid: 'campaign' }), result: /"status":"interacted"/ },
  { method: 'cancel_push', request: () => ({ uid: 'every-way' }), result: /^{}$/ },
  { method: 'device_remove', request: ({ id }) => ({ ids: [id], users: ['eve'] }), result: /^{}$/ },
];

eachPush('every method of push, in every way,', (open) => {
  let database: PushPlace;
  let db: Database;
  let server: TestServer;
  before(async () => {
    database = await open();
    db = database.db;
    await db.exec(OUTBOX);
    server = await startServer(
      {
        push_notifications: {
          enabled: true,
          enabled_providers: ['webpush'],
          dry_run: true,
          queue: database.queue,
          webpush: { subject: 'mailto:ops@example.com' },
        },
        consumers: [
          {
            enabled: true,
            name: 'outbox',
            type: 'postgresql',
            postgresql: { outbox_table_name: 'outbox', partition_poll_interval: '20ms' },
          },
        ],
      },
      { db },
    );
  });
  after(async () => {
    await server?.close();
    await database?.drop();
  });

  async function walk(call: (method: string, request: object) => Promise<Reply>): Promise<void> {
    const known: Record<string, string> = {};
    for (const { method, request, result } of STEPS) {
      const reply = await call(method, request(known));
      assert.equal(reply.error, undefined, `${method}: ${JSON.stringify(reply)}`);
      assert.match(JSON.stringify(reply.result), result, method);
      if (typeof reply.result?.id === 'string') known.id = reply.result.id;
    }
  }

  test('alone', () => walk(async (method, request) => (await server.call(method, request)) as Reply));

  test('with errors by HTTP status', () =>
    walk(async (method, request) => {
      const { status, text } = await server.post(method, request, {
        'x-api-key': API_KEY,
        'x-centrifugo-error-mode': 'transport',
      });
      return status === 200 ? (JSON.parse(text) as Reply) : { error: JSON.parse(text) };
    }));

  test('in a batch, one after the other and side by side', async () => {
    for (const parallel of [false, true]) {
      await walk(async (method, request) => {
        const { replies } = (await server.call('batch', {
          parallel,
          commands: [{ [method]: request }],
        })) as {
          replies: Record<string, Record<string, unknown>>[];
        };
        const [reply] = replies;
        return reply?.error ? (reply as Reply) : { result: reply?.[method] ?? {} };
      });
    }
  });

  test('through a consumer, all that change something', async () => {
    const id = ((await server.call('device_register', STEPS[0]?.request({}) as object)) as Reply).result?.id;
    const mutating = STEPS.filter(({ method }) => !method.endsWith('_list') && method !== 'push_status');
    for (const { method, request } of mutating) {
      await db.query('INSERT INTO outbox (method, payload) VALUES ($1, $2::jsonb)', [
        method,
        JSON.stringify(request({ id: String(id) })),
      ]);
    }
    const left = async () => (await db.query<{ n: number }>('SELECT count(*) AS n FROM outbox'))[0]?.n;
    while ((await left()) !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const { result } = (await server.call('device_list', { filter: { users: ['eve'] } })) as Reply;
    assert.deepEqual(result, { items: [] }, 'the last of them removed the device');
  });

  test('refused with its code and its status, in both error modes and in a batch', async () => {
    const cases: [string, object, number, number][] = [
      ['device_register', { provider: 'none' }, 107, 400],
      ['device_update', {}, 107, 400],
      ['device_remove', {}, 107, 400],
      ['device_list', { limit: -1 }, 107, 400],
      ['device_topic_update', { device_id: 'webpush-x', op: 'add' }, 104, 404],
      ['device_topic_list', { cursor: 'x' }, 107, 400],
      ['user_topic_update', { user: 'x', op: 'replace' }, 107, 400],
      ['user_topic_list', { cursor: 'x' }, 107, 400],
      ['send_push_notification', {}, 107, 400],
      ['cancel_push', {}, 107, 400],
      ['update_push_status', {}, 107, 400],
      ['push_status', { uid: 'unknown' }, 104, 404],
    ];
    for (const [method, request, code, status] of cases) {
      const reply = await server.post(method, request);
      assert.equal(reply.status, 200, method);
      assert.equal((JSON.parse(reply.text) as Reply).error?.code, code, `${method}: ${reply.text}`);
      const headers = { 'x-api-key': API_KEY, 'x-centrifugo-error-mode': 'transport' };
      const transport = await server.post(method, request, headers);
      assert.deepEqual([transport.status, JSON.parse(transport.text).code], [status, code], method);
      const batch = (await server.call('batch', { commands: [{ [method]: request }] })) as {
        replies: Reply[];
      };
      assert.equal(batch.replies[0]?.error?.code, code, method);
    }
  });
});
