import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { resolveConfig } from '../../src/config/load.ts';
import { memoryDatabase } from '../support/database.ts';
import { GrpcClient } from '../support/grpc.ts';
import { subscription } from '../support/push.ts';
import { RawClient, SECRET } from '../support/realtime.ts';
import { API_KEY, startServer, type TestServer } from '../support/server.ts';

const CONFIG = {
  grpc_api: { enabled: true, address: '127.0.0.1', port: 0, key: 'grpc key' },
  client: { token: { hmac_secret_key: SECRET } },
  channel: {
    namespaces: [
      {
        name: 'news',
        history_size: 10,
        history_ttl: '60s',
        presence: true,
        allow_subscribe_for_client: true,
      },
      { name: 'plain' },
    ],
  },
};
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

suite('the server API over gRPC', () => {
  let server: TestServer;
  let client: GrpcClient;
  let drop: () => Promise<void>;
  before(async () => {
    const database = await memoryDatabase();
    drop = database.drop;
    server = await startServer(
      {
        ...CONFIG,
        prometheus: { enabled: true },
        push_notifications: {
          enabled: true,
          enabled_providers: ['webpush'],
          dry_run: true,
          webpush: { subject: 'mailto:ops@example.com' },
        },
      },
      { db: database.db },
    );
    client = connect(server, 'grpc key');
  });
  after(async () => {
    client.close();
    await server.close();
    await drop();
  });

  /** The `result` of a call that must succeed. */
  async function result(method: string, request: object): Promise<Record<string, unknown>> {
    const reply = await client.call(method, request);
    assert.equal(reply.error, undefined, JSON.stringify(reply));
    return (reply.result ?? {}) as Record<string, unknown>;
  }

  test('publishes, broadcasts and reads history, with bytes as they were sent', async () => {
    const { epoch, offset } = await result('publish', {
      channel: 'news:a',
      data: Buffer.from('{ "id": 12345678901234567890 }'),
      tags: { t: '1' },
      idempotency_key: 'k',
    });
    assert.match(String(epoch), /^[A-Za-z]{8}$/);
    assert.equal(offset, 1);
    assert.deepEqual(await result('publish', { channel: 'news:a', data: json(1), idempotency_key: 'k' }), {
      epoch,
      offset,
    });
    const { responses } = await result('broadcast', {
      channels: ['news:a', 'nope:a'],
      data: Buffer.from([0xff]),
    });
    const [good, bad] = responses as { result?: { offset: number }; error?: { code: number } }[];
    assert.deepEqual([good?.result?.offset, bad?.error?.code], [2, 102]);
    const history = await result('history', { channel: 'news:a', limit: -1, since: { offset: 0, epoch } });
    assert.deepEqual(history, {
      publications: [
        { data: Buffer.from('{ "id": 12345678901234567890 }'), offset: 1, tags: { t: '1' } },
        { data: Buffer.from([0xff]), offset: 2 },
      ],
      epoch,
      offset: 2,
    });
    await result('history_remove', { channel: 'news:a' });
    assert.deepEqual(await result('history', { channel: 'news:a', limit: -1 }), { epoch, offset: 2 });
  });

  test('sees and moves live connections', async () => {
    const live = await RawClient.connected(
      `${server.carillon.url.replace('http', 'ws')}/connection/websocket`,
      { sub: '42', info: { name: 'Ann' } },
    );
    await result('subscribe', {
      user: '42',
      channel: 'news:live',
      info: json({ i: 1 }),
      data: json({ d: 1 }),
      override: { force_positioning: { value: true } },
    });
    const { push } = (await live.next()) as { push: { subscribe: Record<string, unknown> } };
    assert.deepEqual([push.subscribe.data, push.subscribe.positioned], [{ d: 1 }, true]);
    const { presence } = await result('presence', { channel: 'news:live' });
    const [[id, info]] = Object.entries(presence as Record<string, object>) as [[string, object]];
    assert.deepEqual(info, {
      user: '42',
      client: id,
      conn_info: json({ name: 'Ann' }),
      chan_info: json({ i: 1 }),
    });
    assert.deepEqual(await result('presence_stats', { channel: 'news:live' }), {
      num_clients: 1,
      num_users: 1,
    });
    assert.deepEqual(await result('channels', { pattern: 'news:l*' }), {
      channels: { 'news:live': { num_clients: 1 } },
    });
    const { nodes } = await result('info', {});
    const [node] = nodes as { name: string; num_clients: number; num_subs: number }[];
    assert.deepEqual([node?.num_clients, node?.num_subs], [1, 1]);
    await result('refresh', { user: '42', expire_at: Math.floor(Date.now() / 1000) + 60 });
    assert.ok((await live.next()).push);
    await result('unsubscribe', { user: '42', channel: 'news:live' });
    assert.ok((await live.next()).push);
    await result('disconnect', { user: '42', disconnect: { code: 4_000, reason: 'bye' } });
    assert.deepEqual(await live.closed(), { code: 4_000, reason: 'bye' });
  });

  test('runs batches, with each reply under its method', async () => {
    const { replies } = await client.call('batch', {
      commands: [
        { publish: { channel: 'plain:a', data: json(1) } },
        { publish: { channel: 'nope:a', data: json(1) } },
        { presence_stats: { channel: 'news:empty' } },
        {},
      ],
    });
    assert.deepEqual(
      (replies as Record<string, { code?: number }>[]).map((reply) =>
        Object.entries(reply).map(([name, value]) => [name, value.code]),
      ),
      [[['publish', undefined]], [['error', 102]], [['presence_stats', undefined]], [['error', 104]]],
    );
  });

  test('keeps devices and topics, and sends pushes', async () => {
    const token = subscription('grpc');
    const { id } = await result('device_register', {
      provider: 'webpush',
      platform: 'web',
      token,
      user: 'meg',
      topics: ['a'],
      meta: { k: 'v' },
    });
    await result('device_update', {
      ids: [id],
      locale_update: { locale: 'el' },
      topics_update: { op: 'add', topics: ['b'] },
    });
    await result('user_topic_update', { user: 'meg', op: 'add', topics: ['c'] });
    await result('device_topic_update', { device_id: id, op: 'remove', topics: ['a'], user: 'meg' });
    const { items, total_count } = await result('device_list', {
      filter: { users: ['meg'] },
      include_topics: true,
      include_meta: true,
      include_total_count: true,
    });
    const [device] = items as Record<string, unknown>[];
    assert.deepEqual(
      [device?.id, device?.locale, device?.meta, device?.topics, total_count],
      [id, 'el', { k: 'v' }, ['b', 'c'], 1],
    );
    const ofDevice = await result('device_topic_list', {
      filter: { device_ids: [id] },
      include_device: true,
    });
    assert.equal((ofDevice.items as { device: { id: string } }[])[0]?.device.id, id);
    const ofUser = await result('user_topic_list', { filter: { users: ['meg'] } });
    assert.deepEqual(
      (ofUser.items as { topic: string }[]).map(({ topic }) => topic),
      ['c'],
    );
    const { uid } = await result('send_push_notification', {
      uid: 'push-1',
      recipient: { filter: { topics: ['b'] } },
      notification: { webpush: { headers: { TTL: '60' }, payload: json({ title: 'hi' }) } },
    });
    assert.equal(uid, 'push-1');
    for (;;) {
      const pushStatus = (await result('push_status', { uid })) as Record<string, unknown>;
      if (pushStatus.state !== 'done') continue;
      assert.deepEqual(pushStatus.counts, { accepted: 1 });
      break;
    }
    await result('update_push_status', { analytics_uid: uid, device_id: id, status: 'delivered' });
    const later = await result('send_push_notification', {
      recipient: { filter: { users: ['meg'] } },
      notification: { webpush: { payload: json({}) } },
      send_at: Math.floor(Date.now() / 1000) + 600,
    });
    await result('cancel_push', { uid: later.uid });
    await result('device_remove', { ids: [id] });
    assert.deepEqual(await result('device_list', { filter: {} }), {});
  });

  test('tells errors in the reply, or by status where that is asked for', async () => {
    const cases: [method: string, request: object, code: number, grpc: status][] = [
      ['publish', {}, 107, status.INVALID_ARGUMENT],
      ['publish', { channel: 'nope:a', data: json(1) }, 102, status.NOT_FOUND],
      ['history', { channel: 'plain:a' }, 108, status.INVALID_ARGUMENT],
      ['history', { channel: 'news:x', since: { offset: 1, epoch: 'zzz' } }, 112, status.OUT_OF_RANGE],
      ['rpc', { method: 'x', params: json(1) }, 104, status.NOT_FOUND],
      [
        'send_push_notification',
        { recipient: { webpush_tokens: ['x'] }, notification: { webpush: { payload: Buffer.from('{') } } },
        107,
        status.INVALID_ARGUMENT,
      ],
    ];
    const strict = connect(server, 'grpc key', { 'x-centrifugo-error-mode': 'transport' });
    for (const [method, request, code, grpc] of cases) {
      const { error } = (await client.call(method, request)) as { error: { code: number; message: string } };
      assert.equal(error.code, code, error.message);
      const failure = await strict.call(method, request).then(
        () => assert.fail(method),
        (thrown: ServiceError) => thrown,
      );
      assert.deepEqual([failure.code, failure.details], [grpc, error.message]);
      const details = failure.metadata.get('grpc-status-details-bin')[0] as Buffer;
      assert.ok(details.includes('type.googleapis.com/centrifugal.centrifugo.api.Error'));
    }
    strict.close();
  });

  test('lets nobody in without its key, and counts what it is called', async () => {
    const wrong: Record<string, string>[] = [
      {},
      { authorization: 'apikey wrong' },
      { authorization: 'grpc key' },
    ];
    for (const headers of wrong) {
      const stranger = new GrpcClient(`127.0.0.1:${server.carillon.grpcPort}`, headers);
      await assert.rejects(stranger.call('info', {}), { code: status.UNAUTHENTICATED });
      stranger.close();
    }
    const metrics = await (await fetch(`${server.carillon.url}/metrics`)).text();
    assert.match(metrics, /command_duration_seconds_histogram_count\{protocol="grpc",method="publish"\} \d/);
    assert.match(metrics, /command_errors_total\{protocol="grpc",method="publish",error="102"\} 3/);
  });

  test('refuses a message over its limit, and serves on', async () => {
    const data = json('x'.repeat(5_000_000));
    await assert.rejects(client.call('publish', { channel: 'plain:a', data }), {
      code: status.RESOURCE_EXHAUSTED,
    });
    await result('publish', { channel: 'plain:a', data: json(1) });
  });
});

test('grpc_api.error_mode has errors told by status, whatever a call says', async () => {
  const server = await startServer({
    ...CONFIG,
    grpc_api: { ...CONFIG.grpc_api, key: 'one-word', error_mode: 'transport' },
  });
  try {
    for (const mode of ['', 'something']) {
      const client = new GrpcClient(`127.0.0.1:${server.carillon.grpcPort}`, {
        authorization: `apikey one-word`,
        ...(mode && { 'x-centrifugo-error-mode': mode }),
      });
      await assert.rejects(client.call('publish', { channel: 'nope:a', data: json(1) }), {
        code: status.NOT_FOUND,
      });
      client.close();
    }
  } finally {
    await server.close();
  }
});

test('without a key of its own gRPC takes that of HTTP, and none at all only when it is told so', async () => {
  const server = await startServer({ ...CONFIG, grpc_api: { ...CONFIG.grpc_api, key: '' } });
  const client = connect(server, API_KEY);
  assert.ok((await client.call('info', {})).result);
  client.close();
  const open = await startServer({ ...CONFIG, grpc_api: { ...CONFIG.grpc_api, key: '', insecure: true } });
  const anybody = new GrpcClient(`127.0.0.1:${open.carillon.grpcPort}`);
  assert.ok((await anybody.call('info', {})).result);
  anybody.close();
  await server.close();
  await open.close();
  assert.match(
    resolveConfig({ grpc_api: { enabled: true, insecure: true } }).warnings.join(),
    /grpc_api\.insecure is on/,
  );
});

test('gRPC runs over TLS, and may want a certificate of its clients', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-grpc-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      .concat(['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'])
      .concat(['-keyout', key, '-out', cert]),
    { stdio: 'ignore' },
  );
  const tls = { enabled: true, cert_pem: cert, key_pem: key, client_ca_pem: cert };
  const server = await startServer({ ...CONFIG, grpc_api: { ...CONFIG.grpc_api, tls } });
  t.after(() => server.close());
  const [ca, own] = [await readFile(cert), await readFile(key)];
  const headers = { authorization: 'apikey grpc key' };
  const address = `localhost:${server.carillon.grpcPort}`;
  const known = new GrpcClient(address, headers, credentials.createSsl(ca, own, ca));
  assert.ok((await known.call('info', {})).result);
  known.close();
  const unknown = new GrpcClient(address, headers, credentials.createSsl(ca));
  await assert.rejects(unknown.call('info', {}), { code: status.UNAVAILABLE });
  unknown.close();
  assert.throws(
    () => resolveConfig({ grpc_api: { enabled: true, tls: { enabled: true, cert_pem: cert } } }),
    /grpc_api\.tls\.key_pem/,
  );
});

function connect(server: TestServer, key: string, headers: Record<string, string> = {}): GrpcClient {
  return new GrpcClient(`127.0.0.1:${server.carillon.grpcPort}`, {
    authorization: `apikey ${key}`,
    ...headers,
  });
}
