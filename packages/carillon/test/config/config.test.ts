import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parseDuration } from '../../src/config/duration.ts';
import { ConfigError, loadConfig, resolveConfig } from '../../src/config/load.ts';
import { loadSecrets, withSecrets } from '../../src/config/secrets.ts';

const PUSH = {
  enabled: true,
  enabled_providers: ['webpush'],
  webpush: { subject: 'mailto:ops@example.com' },
};

suite('the configuration', () => {
  test('has every key with Centrifugo’s defaults', () => {
    const { config, warnings } = resolveConfig({});
    assert.deepEqual(warnings, []);
    assert.equal(config.http_server.port, 8000);
    assert.equal(config.client.ping_interval, 25_000);
    assert.equal(config.channel.history_meta_ttl, 720 * 3_600_000);
    assert.equal(config.websocket.message_size_limit, 65_536);
    assert.equal(config.push_notifications.webpush.tokens_batch_size, 100);
    assert.equal(config.database.enabled, true);
  });

  test('reads durations as Go writes them, and plain numbers as nanoseconds', () => {
    const cases: [unknown, number | undefined][] = [
      ['300s', 300_000],
      ['1h30m', 5_400_000],
      ['1.5s', 1_500],
      ['250ms', 250],
      ['0', 0],
      [2_000_000_000, 2_000],
      ['10', undefined],
      ['10 s', undefined],
      ['-1s', undefined],
      ['', undefined],
      [true, undefined],
    ];
    for (const [given, ms] of cases) assert.equal(parseDuration(given), ms, JSON.stringify(given));
  });

  test('warns of an unknown key with the nearest known name, and of one that only Centrifugo knows', () => {
    const { warnings } = resolveConfig({
      clients: {},
      client: { ping_intervall: '25s', concurrency: 3 },
      zzz: 1,
      channel: { namespaces: [{ name: 'ab', history_sise: 3 }] },
    });
    assert.deepEqual(warnings, [
      'clients is not a known key: ignored; did you mean client?',
      'client.ping_intervall is not a known key: ignored; did you mean ping_interval?',
      'client.concurrency is known to Centrifugo, but not supported here yet: ignored',
      'zzz is not a known key: ignored',
      'channel.namespaces[0].history_sise is not a known key: ignored; did you mean history_size?',
    ]);
  });

  const wrong: [what: string, value: object, problem: RegExp][] = [
    [
      'a port',
      { http_server: { port: 99_999 } },
      /^http_server\.port is 99999: allowed is a whole number from 0 to 65535$/,
    ],
    ['a type', { http_api: { insecure: 'yes' } }, /^http_api\.insecure is "yes": allowed is true or false$/],
    [
      'a duration',
      { client: { ping_interval: 'soon' } },
      /^client\.ping_interval is "soon": allowed is a duration such as/,
    ],
    ['a choice', { log: { level: 'loud' } }, /^log\.level is "loud": allowed is one of "trace", /],
    [
      'TLS where there is none',
      { http_server: { tls: { enabled: true } } },
      /^http_server\.tls is known to Centrifugo, but not supported here, and would not be safe to ignore: for TLS say/,
    ],
    [
      'TLS of a consumer',
      { consumers: [{ name: 'a', type: 'postgresql', postgresql: { tls: { enabled: true } } }] },
      /^consumers\[0\]\.postgresql\.tls is known to Centrifugo, .* sslmode in the DSN/,
    ],
    [
      'an address of another kind',
      { engine: { redis: { cluster_address: ['10.0.0.1:7000'] } } },
      /^engine\.redis\.cluster_address is known to Centrifugo, .* name single servers in address$/,
    ],
    [
      'an address of yet another kind',
      { engine: { redis: { sentinel_address: ['10.0.0.1:26379'] } } },
      /^engine\.redis\.sentinel_address is known to Centrifugo, .* name single servers in address$/,
    ],
    ['a section', { client: 3 }, /^client is 3: allowed is a section: \{…\}$/],
    [
      'a list',
      { client: { allowed_origins: 'x' } },
      /^client\.allowed_origins is "x": allowed is a list of texts$/,
    ],
    [
      'a provider',
      { push_notifications: { enabled_providers: ['pigeon'] } },
      /enabled_providers is \["pigeon"\]: allowed is a list of "fcm"/,
    ],
    [
      'history halves',
      { channel: { namespaces: [{ name: 'ab', history_size: 3 }] } },
      /history_size and .*history_ttl go together/,
    ],
    [
      'recovery without history',
      { channel: { namespaces: [{ name: 'ab', force_recovery: true }] } },
      /force_recovery needs history_size/,
    ],
    [
      'a namespace name',
      { channel: { namespaces: [{ name: 'a b' }] } },
      /namespaces\[0\]\.name is "a b": allowed are/,
    ],
    [
      'two namespaces of one name',
      { channel: { namespaces: [{ name: 'ab' }, { name: 'ab' }] } },
      /another namespace has that name/,
    ],
    [
      'two endpoints on one path',
      { sse: { enabled: true }, uni_sse: { enabled: true, handler_prefix: '/connection/sse' } },
      /^uni_sse\.handler_prefix is "\/connection\/sse": sse\.handler_prefix is that already$/,
    ],
    [
      'a path that is none',
      { http_stream: { enabled: true, handler_prefix: 'stream' } },
      /^http_stream\.handler_prefix is "stream": allowed is a path that begins with "\/"/,
    ],
    [
      'the newest publication to everybody, without recovery of it',
      { channel: { namespaces: [{ name: 'ab', auto_cache_recover: true }] } },
      /auto_cache_recover needs force_recovery, and force_recovery_mode "cache"/,
    ],
    ['ping below pong', { client: { ping_interval: '5s' } }, /ping_interval must be longer than/],
    ['a missing subject', { push_notifications: { ...PUSH, webpush: {} } }, /webpush\.subject is missing/],
    [
      'a bad subject',
      { push_notifications: { ...PUSH, webpush: { subject: 'ops' } } },
      /webpush\.subject is "ops": allowed is a mailto: or https: URL/,
    ],
    [
      'half a VAPID pair',
      { push_notifications: { ...PUSH, webpush: { ...PUSH.webpush, vapid_public_key: 'x' } } },
      /go together/,
    ],
    [
      'an inexact insecure origin',
      {
        push_notifications: {
          ...PUSH,
          webpush: { ...PUSH.webpush, insecure_endpoint_origins: ['http://a:1/x'] },
        },
      },
      /insecure_endpoint_origins\[0\] is "http:\/\/a:1\/x": allowed is an exact origin/,
    ],
    [
      'an emulator’s URL for its address',
      { push_notifications: { ...PUSH, webpush: { ...PUSH.webpush, emulator_address: 'https://a:1' } } },
      /emulator_address is "https:\/\/a:1": allowed is host:port/,
    ],
    [
      'an app whose name no variable could have',
      { push_notifications: { ...PUSH, apps: { Shop: { fcm: {} } } } },
      /push_notifications\.apps has the name "Shop": allowed are 1 to 32 of a-z/,
    ],
    [
      'an app named like the default one',
      { push_notifications: { ...PUSH, apps: { default: { fcm: {} } } } },
      /push_notifications\.apps has the name "default": that is the app without a name/,
    ],
    [
      'an app without providers',
      { push_notifications: { ...PUSH, apps: { shop: {} } } },
      /push_notifications\.apps\.shop is empty/,
    ],
    [
      'an app’s web push without a contact',
      { push_notifications: { ...PUSH, apps: { shop: { webpush: {} } } } },
      /push_notifications\.apps\.shop\.webpush\.subject is missing/,
    ],
    [
      'a wrong option of an app',
      { push_notifications: { ...PUSH, apps: { shop: { apns: { auth_type: 'sms' } } } } },
      /push_notifications\.apps\.shop\.apns\.auth_type is "sms": allowed is one of "token", "cert"/,
    ],
    [
      'a consumer without a table',
      { consumers: [{ name: 'ab', enabled: true, type: 'postgresql' }] },
      /outbox_table_name is ""/,
    ],
    [
      'a table that is SQL',
      { consumers: [{ name: 'ab', enabled: true, postgresql: { outbox_table_name: 'x; DROP TABLE y' } }] },
      /outbox_table_name is "x; DROP/,
    ],
    [
      'a group without streams',
      { consumers: [{ name: 'ab', enabled: true, type: 'redis_stream' }] },
      /redis_stream\.streams is \[\]: allowed is a list/,
    ],
    [
      'a log of no table',
      { consumers: [{ name: 'ab', enabled: true, type: 'postgresql_wal' }] },
      /postgresql_wal\.table_name is ""/,
    ],
    [
      'a slot that PostgreSQL would not make',
      {
        consumers: [
          {
            name: 'ab',
            enabled: true,
            type: 'postgresql_wal',
            postgresql_wal: { table_name: 't', slot_name: 'Mine; DROP' },
          },
        ],
      },
      /slot_name is "Mine; DROP": allowed are up to 59/,
    ],
    [
      'two readers of one slot',
      {
        consumers: ['ab', 'AB'].map((name) => ({
          name,
          enabled: true,
          type: 'postgresql_wal',
          postgresql_wal: { table_name: 't' },
        })),
      },
      /consumers\[1\]\.postgresql_wal\.slot_name is "carillon_ab": another consumer reads that slot/,
    ],
  ];
  for (const [what, value, problem] of wrong) {
    test(`stops at ${what}, with key, value and what is allowed`, () => {
      assert.throws(
        () => resolveConfig(value),
        (error: ConfigError) => {
          assert.ok(error instanceof ConfigError);
          assert.ok(
            error.problems.some((one) => problem.test(one)),
            error.message,
          );
          return true;
        },
      );
    });
  }

  test('names all problems at once', () => {
    assert.throws(
      () => resolveConfig({ http_server: { port: 'x' }, log: { level: 'loud' } }),
      (error: ConfigError) => error.problems.length === 2 && /2 problems/.test(error.message),
    );
  });

  test('the tutorial’s configuration is taken as it stands', () => {
    const { config, warnings } = resolveConfig({
      database: { enabled: true, postgresql: { dsn: 'postgresql://grandchat:grandchat@db:5432/grandchat' } },
      push_notifications: {
        enabled: true,
        queue: { redis: { address: 'redis:6379' } },
        enabled_providers: ['fcm'],
        fcm: { credentials_file: 'fcm.json' },
      },
    });
    assert.deepEqual(warnings, []);
    assert.equal(config.push_notifications.fcm.credentials_file, 'fcm.json');
    assert.equal(config.push_notifications.queue.redis.address, 'redis:6379');
  });

  test('an app has only the providers that it has a section for, with their defaults; the environment gives apps as JSON', () => {
    const { config } = resolveConfig(
      {},
      { CARILLON_PUSH_NOTIFICATIONS_APPS: '{"shop":{"apns":{"bundle_id":"com.example.shop"}}}' },
    );
    const { shop } = config.push_notifications.apps;
    assert.deepEqual(Object.keys(shop ?? {}), ['apns']);
    assert.equal(shop?.apns?.bundle_id, 'com.example.shop');
    assert.equal(shop?.apns?.endpoint, 'development');
    assert.equal(shop?.apns?.tokens_batch_size, 100);
  });

  test('takes the environment over the file: values, lists, JSON, and one option of a consumer', () => {
    const file = {
      http_api: { key: 'file' },
      consumers: [{ name: 'orders', postgresql: { outbox_table_name: 'o' } }],
    };
    const { config, warnings } = resolveConfig(file, {
      CARILLON_HTTP_API_KEY: 'env',
      CARILLON_HTTP_SERVER_PORT: '9001',
      CARILLON_CLIENT_ALLOWED_ORIGINS: 'http://a, http://b',
      CARILLON_PUSH_NOTIFICATIONS_RETRY_BASE_DELAY: '3s',
      CARILLON_CHANNEL_NAMESPACES: '[{"name":"ab"}]',
      CARILLON_CONSUMERS_ORDERS_ENABLED: 'true',
      CARILLON_CONSUMERS_ORDERS_POSTGRESQL_NUM_PARTITIONS: '4',
      CARILLON_DATA_DIR: '/x',
      CARILLON_HTTP_API_KEI: 'typo',
      UNRELATED: 'x',
    });
    assert.equal(config.http_api.key, 'env');
    assert.equal(config.http_server.port, 9001);
    assert.deepEqual(config.client.allowed_origins, ['http://a', 'http://b']);
    assert.equal(config.push_notifications.retry.base_delay, 3_000);
    assert.equal(config.channel.namespaces[0]?.name, 'ab');
    assert.deepEqual(
      [config.consumers[0]?.enabled, config.consumers[0]?.postgresql.num_partitions],
      [true, 4],
    );
    assert.deepEqual(warnings, [
      'environment variable CARILLON_HTTP_API_KEI is not a known option: ignored; did you mean CARILLON_HTTP_API_KEY?',
    ]);
    assert.throws(
      () => resolveConfig({}, { CARILLON_HTTP_SERVER_PORT: 'abc' }),
      /http_server\.port is null|http_server\.port is/,
    );
  });

  test('takes the environment as Centrifugo names it, too; what has both names is as ours says', () => {
    const { config, warnings } = resolveConfig(
      { consumers: [{ name: 'orders' }] },
      {
        CENTRIFUGO_HTTP_API_KEY: 'theirs',
        CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY: 'secret',
        CENTRIFUGO_CONSUMERS_ORDERS_TYPE: 'kafka',
        CENTRIFUGO_HTTP_SERVER_INTERNAL_PORT: '9000',
        CENTRIFUGO_HTTP_API_KEI: 'typo',
        CARILLON_HTTP_API_KEY: 'ours',
      },
    );
    assert.equal(config.http_api.key, 'ours');
    assert.equal(config.client.token.hmac_secret_key, 'secret');
    assert.equal(config.consumers[0]?.type, 'kafka');
    assert.equal(config.http_server.internal_port, 9_000);
    assert.deepEqual(warnings, [
      'environment variable CENTRIFUGO_HTTP_API_KEI is not a known option: ignored; did you mean CARILLON_HTTP_API_KEY?',
    ]);
  });

  test('warns of doors that are open', () => {
    const { warnings } = resolveConfig({
      http_api: { insecure: true },
      client: { insecure: true },
      push_notifications: {
        ...PUSH,
        webpush: { ...PUSH.webpush, insecure_endpoint_origins: ['http://127.0.0.1:8090'] },
      },
    });
    assert.equal(warnings.length, 3);
    assert.match(warnings[2] ?? '', /http:\/\/127\.0\.0\.1:8090: for tests only/);
  });

  test('a file that is missing or no JSON is named', async () => {
    await assert.rejects(loadConfig({ file: '/nowhere.json' }), /\/nowhere\.json cannot be read/);
  });
});

suite('the secrets of the first start', () => {
  test('are made once, kept with mode 0600, and give way to the configuration', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'carillon-secrets-'));
    try {
      const secrets = await loadSecrets(dataDir);
      assert.deepEqual(await loadSecrets(dataDir), secrets);
      const file = join(dataDir, 'secrets.json');
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.equal(Buffer.from(secrets.vapid.publicKey, 'base64url').length, 65);
      assert.equal(Buffer.from(secrets.vapid.privateKey, 'base64url').length, 32);
      const filled = withSecrets(resolveConfig({}).config, secrets);
      assert.equal(filled.http_api.key, secrets.apiKey);
      assert.equal(filled.push_notifications.webpush.vapid_private_key, secrets.vapid.privateKey);
      const own = withSecrets(resolveConfig({ http_api: { key: 'mine' } }).config, secrets);
      assert.equal(own.http_api.key, 'mine');
      await writeFile(file, '{ broken');
      await assert.rejects(loadSecrets(dataDir), 'a broken file is never replaced: it may hold the only key');
      assert.equal(await readFile(file, 'utf8'), '{ broken');
    } finally {
      await rm(dataDir, { recursive: true });
    }
  });
});
