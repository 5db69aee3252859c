/** Every option there is, with its default: the one source for reading files, environment, and the docs' table. */
import { PROVIDER_NAMES } from '../push/providers/provider.ts';
import type {
  ClientOptions,
  Config,
  ConsumerConfig,
  NamespaceOptions,
  PostgresConsumerOptions,
  PostgresWalOptions,
  ProviderConfigs,
  PushConfig,
  RedisConfig,
  RedisPresenceConfig,
  TokenOptions,
  VapidPair,
} from './config.ts';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  named,
  type Option,
  optionals,
  section,
  share,
  text,
  textOrTexts,
  texts,
} from './option.ts';

const DATA_FORMATS = ['', 'json', 'json_object', 'binary'] as const;

const namespace = {
  history_size: integer(0),
  history_ttl: duration('0s'),
  history_meta_ttl: duration('0s'),
  force_positioning: flag(),
  allow_positioning: flag(),
  force_recovery: flag(),
  allow_recovery: flag(),
  presence: flag(),
  join_leave: flag(),
  force_push_join_leave: flag(),
  allow_subscribe_for_client: flag(),
  allow_subscribe_for_anonymous: flag(),
  allow_publish_for_client: flag(),
  allow_publish_for_subscriber: flag(),
  allow_publish_for_anonymous: flag(),
  allow_presence_for_client: flag(),
  allow_presence_for_subscriber: flag(),
  allow_presence_for_anonymous: flag(),
  allow_history_for_client: flag(),
  allow_history_for_subscriber: flag(),
  allow_history_for_anonymous: flag(),
  allow_user_limited_channels: flag(),
  channel_regex: text(),
  publication_data_format: choice('', DATA_FORMATS),
};

const token = {
  hmac_secret_key: text(),
  hmac_previous_secret_key: text(),
  hmac_previous_secret_key_valid_until: integer(0),
  rsa_public_key: text('', 'an RSA public key as PEM'),
  ecdsa_public_key: text('', 'an ECDSA public key as PEM'),
  jwks_public_endpoint: text('', 'the http: or https: URL of a JSON Web Key Set'),
  audience: text(),
  audience_regex: text(),
  issuer: text(),
  issuer_regex: text(),
  user_id_claim: text(),
};

const client = section<ClientOptions>({
  allowed_origins: texts(),
  insecure: flag(),
  allow_anonymous_connect_without_token: flag(),
  disallow_anonymous_connection_tokens: flag(),
  token: section<TokenOptions>(token),
  subscription_token: section<TokenOptions & { enabled: boolean }>({ enabled: flag(), ...token }),
  subscribe_to_user_personal_channel: section({
    enabled: flag(),
    personal_channel_namespace: text(),
    single_connection: flag(),
  }),
  ping_interval: duration('25s'),
  pong_timeout: duration('8s'),
  stale_close_delay: duration('10s'),
  expired_close_delay: duration('25s'),
  expired_sub_close_delay: duration('25s'),
  presence_update_interval: duration('27s'),
  channel_position_check_delay: duration('40s'),
  channel_limit: integer(128, 1),
  queue_max_size: integer(1_048_576, 1),
  history_max_publication_limit: integer(300, 1),
  recovery_max_publication_limit: integer(300, 1),
  user_connection_limit: integer(0),
  connection_limit: integer(0),
  connect_include_server_time: flag(),
});

const providers = {
  fcm: section({
    credentials_file: text(),
    credentials_json: text(),
    endpoint: text(),
    tokens_batch_size: integer(500, 1, 5_000),
  }),
  hms: section({
    app_id: text(),
    app_secret: text(),
    auth_endpoint: text('https://oauth-login.cloud.huawei.com/oauth2/v3/token'),
    push_endpoint: text('https://push-api.cloud.huawei.com'),
    tokens_batch_size: integer(1_000, 1, 1_000),
  }),
  apns: section<PushConfig['apns']>({
    endpoint: text('development', 'development, production or an https URL'),
    bundle_id: text(),
    auth_type: choice('token', ['token', 'cert']),
    token_key_file: text(),
    token_key_pem: text(),
    token_key_id: text(),
    token_team_id: text(),
    cert_p12_file: text(),
    cert_p12_b64: text(),
    cert_p12_password: text(),
    tokens_batch_size: integer(100, 1, 5_000),
  }),
  webpush: section({
    vapid_public_key: text(),
    vapid_private_key: text(),
    previous_vapid_keys: list(section<VapidPair>({ vapid_public_key: text(), vapid_private_key: text() })),
    subject: text('', 'a mailto: or https: URL'),
    tokens_batch_size: integer(100, 1, 1_000),
    allowed_endpoint_origins: texts(),
    extra_allowed_endpoint_origins: texts(),
    insecure_endpoint_origins: texts(),
    emulator_address: text('', 'host:port of a push emulator over TLS, for tests'),
  }),
};

/** Lower case, so that an environment variable can name it. */
const APP_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?$/;

const pushNotifications = section<PushConfig>({
  enabled: flag(),
  enabled_providers: texts(PROVIDER_NAMES),
  dry_run: flag(),
  dry_run_latency: duration('0s'),
  max_inactive_device_interval: duration('0s'),
  sender_threads: integer(0, 0, 64),
  retry: section({
    max_attempts: integer(10, 1, 100),
    base_delay: duration('1s'),
    max_delay: duration('10m'),
    max_hold: duration('24h'),
  }),
  serve_workers: flag(true),
  read_from_replica: flag(),
  status: section<PushConfig['status']>({
    mode: choice('full', ['off', 'sampled', 'full']),
    sample_rate: share(0.1),
    retention: duration('168h'),
  }),
  queue: section<PushConfig['queue']>({
    type: choice('', ['', 'postgresql', 'redis']),
    lease: duration('5s'),
    redis: section({
      address: text(),
      reuse_from_engine: flag(),
      prefix: text('carillon'),
      consumer_concurrency: integer(64, 1, 1_000),
      max_stream_length: integer(100_000, 1),
    }),
    postgresql: section({
      dsn: text(),
      reuse_from_database: flag(),
      consumer_concurrency: integer(16, 1, 1_000),
      scheduler_consumer_concurrency: integer(16, 1, 1_000),
      prefix: text(),
    }),
  }),
  ...providers,
  apps: named(APP_NAME, optionals<ProviderConfigs>(providers)),
});

const redis = {
  address: textOrTexts(['redis://127.0.0.1:6379']),
  prefix: text('carillon'),
  user: text(),
  password: text(),
  db: integer(0),
  connect_timeout: duration('1s'),
  io_timeout: duration('4s'),
};
const ENGINES = ['memory', 'redis'] as const;
const presenceRedis = section<RedisPresenceConfig>({ ...redis, presence_ttl: duration('60s') });

const consumer = section<ConsumerConfig>({
  name: text(),
  enabled: flag(),
  type: choice('postgresql', ['postgresql', 'postgresql_wal']),
  max_attempts: integer(30),
  postgresql: section<PostgresConsumerOptions>({
    dsn: text(),
    outbox_table_name: text(),
    num_partitions: integer(1, 1, 1_000),
    partition_select_limit: integer(100, 1, 10_000),
    partition_poll_interval: duration('300ms'),
    partition_notification_channel: text(),
    partition_notification_dsn: text(),
    use_try_lock: flag(),
  }),
  postgresql_wal: section<PostgresWalOptions>({
    dsn: text(),
    table_name: text(),
    slot_name: text(),
    publication_name: text(),
    create: flag(true),
    existing_rows: choice('run', ['run', 'skip']),
    num_workers: integer(16, 1, 1_000),
    max_queue_size: integer(5_000, 1, 1_000_000),
    status_interval: duration('10s'),
    trim: flag(true),
    trim_interval: duration('1s'),
    lag_warning_size: integer(1_073_741_824, 1),
  }),
});

export const CONFIG: Option<Config> = section<Config>({
  http_server: section({ address: text(), port: integer(8000, 0, 65_535) }),
  log: section<Config['log']>({
    level: choice('info', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'none']),
  }),
  http_api: section<Config['http_api']>({
    key: text(),
    insecure: flag(),
    disabled: flag(),
    error_mode: choice('', ['', 'transport']),
    handler_prefix: text('/api'),
    max_body_size: integer(16_777_216, 1024),
  }),
  health: section({ enabled: flag(), handler_prefix: text('/health') }),
  prometheus: section({ enabled: flag(), handler_prefix: text('/metrics') }),
  engine: section<Config['engine']>({ type: choice('memory', ENGINES), redis: presenceRedis }),
  broker: section<Config['broker']>({
    enabled: flag(),
    type: choice('memory', ENGINES),
    redis: section<RedisConfig>(redis),
  }),
  presence_manager: section<Config['presence_manager']>({
    enabled: flag(),
    type: choice('memory', ENGINES),
    redis: presenceRedis,
  }),
  client,
  channel: section<Config['channel']>({
    max_length: integer(255, 1),
    history_meta_ttl: duration('720h'),
    publication_data_format: choice('', DATA_FORMATS),
    without_namespace: section<NamespaceOptions>(namespace),
    namespaces: list(section<{ name: string } & NamespaceOptions>({ name: text(), ...namespace })),
  }),
  websocket: section({
    disabled: flag(),
    handler_prefix: text('/connection/websocket'),
    message_size_limit: integer(65_536, 1),
    compression: flag(),
    write_timeout: duration('1s'),
  }),
  database: section({
    enabled: flag(true),
    postgresql: section({ dsn: text(), replica_dsn: texts(), pool_size: integer(20, 2, 1_000) }),
  }),
  push_notifications: pushNotifications,
  consumers: list(consumer),
  shutdown: section({ timeout: duration('30s') }),
});
