import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { createHealth } from '../../src/health.ts';
import { memoryDatabase, postgresDatabase, withoutPostgres } from '../support/database.ts';
import { endpointOf, subscription } from '../support/push.ts';
import { startRedis, type TestRedis, withoutRedis } from '../support/redis.ts';
import { startServer, type TestServer } from '../support/server.ts';

const PUSH = {
  enabled: true,
  enabled_providers: ['webpush'],
  dry_run: true,
  webpush: { subject: 'mailto:ops@example.com' },
};
interface Answer {
  result?: Record<string, unknown>;
  error?: { code: number; message: string };
}

async function untilDone(server: TestServer, uid: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { result } = (await server.call('push_status', { uid })) as Answer;
    if (result?.state === 'done') return result;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('metrics carry a push through queue, senders and outcome under Centrifugo’s names', async () => {
  const { db, drop } = await memoryDatabase();
  const server = await startServer({ push_notifications: PUSH, prometheus: { enabled: true } }, { db });
  const token = subscription('measured');
  await server.call('device_register', { provider: 'webpush', platform: 'web', token, user: 'meg' });
  const { result } = (await server.call('send_push_notification', {
    recipient: { filter: { users: ['meg'] } },
    notification: { webpush: { payload: {} } },
  })) as Answer;
  await untilDone(server, String(result?.uid));
  await server.call('send_push_notification', {
    recipient: { filter: { users: ['meg'] } },
    notification: { webpush: { payload: {} } },
    send_at: Math.floor(Date.now() / 1000) + 600,
  });
  await server.call('send_push_notification', {
    recipient: { filter: { users: ['meg'] } },
    notification: { webpush: { payload: {} }, expire_at: 1 },
  });
  const [device] = await db.query<{ id: string }>('SELECT id FROM carillon_devices');
  await server.call('update_push_status', {
    analytics_uid: String(result?.uid),
    device_id: device?.id,
    status: 'delivered',
  });
  const metrics = async () => (await fetch(`${server.carillon.url}/metrics`)).text();
  let text = await metrics();
  while (!text.includes('reason="expired"')) text = await metrics();
  const line = (start: string) => text.split('\n').find((one) => one.startsWith(start)) ?? `no ${start}`;
  assert.match(
    line('centrifugo_push_notification_count{'),
    /provider="webpush",recipient_type="filter",platform="web",success="true",err_code=""} 1$/,
  );
  assert.match(line('centrifugo_push_scheduled_request_count{'), /recipient_type="filter"} 1$/);
  assert.match(line('carillon_push_queue_delayed_jobs{'), /provider="fanout",queue="postgresql"} 1$/);
  assert.match(line('centrifugo_push_queue_consuming_lag{'), /provider="fanout",queue="postgresql"} 0$/);
  assert.match(line('centrifugo_push_consuming_inflight_jobs{'), / 0$/);
  assert.match(line('centrifugo_push_job_duration_seconds_histogram_count{provider="webpush"'), / 1$/);
  assert.match(
    line('centrifugo_push_job_duration_seconds_count{provider="webpush"'),
    /recipient_type="filter"} 1$/,
  );
  assert.match(
    line('carillon_push_dropped_count{'),
    /provider="fanout",recipient_type="filter",reason="expired"} 1$/,
  );
  assert.match(line('carillon_push_status_report_count{'), /provider="webpush",status="delivered"} 1$/);
  assert.match(line('carillon_push_sender_utilization{thread="0"}'), / [\d.e-]+$/);
  await server.close();
  await drop();
});

suite('without a database', { skip: withoutRedis }, () => {
  let redis: TestRedis;
  let server: TestServer;
  before(async () => {
    redis = await startRedis({ appendfsync: 'always' });
    server = await startServer({
      push_notifications: { ...PUSH, queue: { redis: { address: redis.address } } },
      health: { enabled: true },
    });
  });
  after(async () => {
    await server?.close();
    await redis?.drop();
  });

  test('raw tokens are sent to, once each, and their push can be looked at', async () => {
    const token = subscription('raw');
    const { result } = (await server.call('send_push_notification', {
      recipient: { webpush_tokens: [token, token, subscription('other')] },
      notification: { webpush: { payload: { hello: 1 } } },
    })) as Answer;
    const report = await untilDone(server, String(result?.uid));
    assert.deepEqual(report.items, []);
    assert.equal(report.state, 'done');
    assert.ok(!JSON.stringify(report).includes(endpointOf('raw')));
  });

  test('what needs devices is answered 108 with the reason', async () => {
    const filter = { recipient: { filter: { users: ['x'] } }, notification: { webpush: { payload: {} } } };
    const calls: [string, object][] = [
      ['device_register', { provider: 'webpush', platform: 'web', token: subscription('x') }],
      ['device_list', {}],
      ['user_topic_list', {}],
      ['device_topic_list', {}],
      ['send_push_notification', filter],
    ];
    for (const [method, request] of calls) {
      const { error } = (await server.call(method, request)) as Answer;
      assert.equal(error?.code, 108, method);
      assert.match(error?.message ?? '', /need a database: database\.enabled is false/);
    }
  });

  test('health tells live from ready, with the reason, and is well again by itself', async () => {
    const health = async (path = '') => {
      const response = await fetch(`${server.carillon.url}/health${path}`);
      return { status: response.status, body: (await response.json()) as { problems?: { queue?: string } } };
    };
    assert.deepEqual(await health(), { status: 200, body: { live: true, ready: true, problems: {} } });
    await redis.kill();
    let state = await health();
    while (state.status === 200) state = await health();
    assert.equal(state.status, 503);
    assert.match(state.body.problems?.queue ?? '', /Redis cannot be used/);
    assert.deepEqual(await health('/live'), { status: 200, body: { live: true } });
    const refused = await server.post('send_push_notification', {
      recipient: { webpush_tokens: [subscription('late')] },
      notification: { webpush: { payload: {} } },
    });
    assert.equal(refused.status, 503);
    assert.match(refused.text, /"code":100,"message":"temporarily unavailable: Redis cannot be used/);
    await redis.start();
    while ((await health()).status !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});

test('a part that does not answer is not ready, and many probes share one look', async () => {
  let looks = 0;
  const health = createHealth({
    slow: () => {
      looks += 1;
      return new Promise(() => {});
    },
    fine: async () => {},
  });
  const [first, second] = await Promise.all([health(), health()]);
  assert.deepEqual(first, { live: true, ready: false, problems: { slow: 'no answer within 2000 ms' } });
  assert.equal(second, first);
  assert.equal(looks, 1);
});

test('a queue in a PostgreSQL of its own, with a prefix, serves a server without devices', {
  skip: withoutPostgres,
}, async () => {
  const { db, dsn, drop } = await postgresDatabase();
  const server = await startServer({
    push_notifications: { ...PUSH, queue: { postgresql: { dsn, prefix: 'shop_' } } },
  });
  const { result } = (await server.call('send_push_notification', {
    recipient: { webpush_tokens: [subscription('own')] },
    notification: { webpush: { payload: {} } },
  })) as Answer;
  assert.equal((await untilDone(server, String(result?.uid))).state, 'done');
  const tables = await db.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE '%push%' ORDER BY 1",
  );
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['shop_carillon_push_dead_letters', 'shop_carillon_push_jobs', 'shop_carillon_pushes'],
  );
  await server.close();
  await drop();
});

test('a fan-out reads the replica when it may', { skip: withoutPostgres }, async () => {
  const primary = await postgresDatabase();
  const replica = await postgresDatabase();
  const { migrate } = await import('../../src/storage/migrate.ts');
  const { PUSH_MIGRATIONS } = await import('../../src/storage/migrations/push.ts');
  await migrate(replica.db, 'carillon', PUSH_MIGRATIONS);
  const server = await startServer(
    {
      database: { postgresql: { dsn: primary.dsn, replica_dsn: [replica.dsn] } },
      push_notifications: { ...PUSH, read_from_replica: true },
    },
    { db: primary.db },
  );
  const token = subscription('r');
  await server.call('device_register', { provider: 'webpush', platform: 'web', token, user: 'ray' });
  const send = async () => {
    const { result } = (await server.call('send_push_notification', {
      recipient: { filter: { users: ['ray'] } },
      notification: { webpush: { payload: {} } },
    })) as Answer;
    return untilDone(server, String(result?.uid));
  };
  assert.deepEqual((await send()).counts, {}, 'the replica does not have the device yet');
  const [device] = await primary.db.query<{ id: string; token: string }>(
    'SELECT id, token FROM carillon_devices',
  );
  await replica.db.query(
    `INSERT INTO carillon_devices (id, provider, token, platform, user_id) VALUES ($1, 'webpush', $2, 'web', 'ray')`,
    [device?.id, device?.token],
  );
  assert.deepEqual((await send()).counts, { accepted: 1 });
  await server.close();
  await primary.drop();
  await replica.drop();
});
