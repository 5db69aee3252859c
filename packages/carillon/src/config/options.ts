/** Every option there is, with its default: the one source for reading files, environment, and the docs' table. */
import type {
  ClientOptions,
  Config,
  NamespaceOptions,
  RedisConfig,
  RedisPresenceConfig,
  StreamOptions,
  TokenOptions,
} from './config.ts';
import { CONSUMER } from './consumers.ts';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  type Option,
  portOrNone,
  section,
  text,
  textOrTexts,
  texts,
} from './option.ts';
import { CLIENT_PROXY, DEFAULT_PROXY, NAMED_PROXIES, PROXY, RPC } from './proxies.ts';
import { PUSH_NOTIFICATIONS } from './push.ts';
import { PEM } from './tls.ts';

const DATA_FORMATS = ['', 'json', 'json_object', 'binary'] as const;

const namespace = {
  history_size: integer(0),
  history_ttl: duration('0s'),
  history_meta_ttl: duration('0s'),
  force_positioning: flag(),
  allow_positioning: flag(),
  force_recovery: flag(),
  allow_recovery: flag(),
  force_recovery_mode: choice('', ['', 'stream', 'cache']),
  auto_cache_recover: flag(),
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
  allowed_delta_types: texts(['fossil']),
  delta_publish: flag(),
  allow_tags_filter: flag(),
  channel_regex: text(),
  publication_data_format: choice('', DATA_FORMATS),
  subscribe_proxy_enabled: flag(),
  subscribe_proxy_name: text(DEFAULT_PROXY),
  publish_proxy_enabled: flag(),
  publish_proxy_name: text(DEFAULT_PROXY),
  sub_refresh_proxy_enabled: flag(),
  sub_refresh_proxy_name: text(DEFAULT_PROXY),
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
  proxy: section({ connect: CLIENT_PROXY, refresh: CLIENT_PROXY }),
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
  connection_rate_limit: integer(0),
  connect_include_server_time: flag(),
});

/** A transport that is an HTTP response without end. */
const stream = (prefix: string) =>
  section<StreamOptions>({
    enabled: flag(),
    handler_prefix: text(prefix),
    max_request_body_size: integer(65_536, 1),
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
export const CONFIG: Option<Config> = section<Config>({
  http_server: section({
    address: text(),
    port: integer(8000, 0, 65_535),
    internal_address: text(),
    internal_port: portOrNone(),
  }),
  log: section<Config['log']>({
    level: choice('info', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'none']),
  }),
  http_api: section<Config['http_api']>({
    key: text(),
    insecure: flag(),
    disabled: flag(),
    external: flag(),
    error_mode: choice('', ['', 'transport']),
    handler_prefix: text('/api'),
    max_body_size: integer(16_777_216, 1024),
  }),
  grpc_api: section<Config['grpc_api']>({
    enabled: flag(),
    address: text(),
    port: integer(10_000, 0, 65_535),
    key: text(),
    insecure: flag(),
    error_mode: choice('', ['', 'transport']),
    max_receive_message_size: integer(0),
    tls: section({
      enabled: flag(),
      cert_pem: text('', PEM),
      key_pem: text('', PEM),
      client_ca_pem: text('', PEM),
    }),
  }),
  health: section({ enabled: flag(), handler_prefix: text('/health') }),
  prometheus: section({
    enabled: flag(),
    handler_prefix: text('/metrics'),
    instrument_http_handlers: flag(),
  }),
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
    proxy: section({ subscribe: PROXY, publish: PROXY, sub_refresh: PROXY }),
    without_namespace: section<NamespaceOptions>(namespace),
    namespaces: list(section<{ name: string } & NamespaceOptions>({ name: text(), ...namespace })),
  }),
  rpc: RPC,
  proxies: NAMED_PROXIES,
  websocket: section({
    disabled: flag(),
    handler_prefix: text('/connection/websocket'),
    message_size_limit: integer(65_536, 1),
    compression: flag(),
    write_timeout: duration('1s'),
  }),
  http_stream: stream('/connection/http_stream'),
  sse: stream('/connection/sse'),
  emulation: section({ handler_prefix: text('/emulation'), max_request_body_size: integer(65_536, 1) }),
  uni_websocket: section({
    enabled: flag(),
    handler_prefix: text('/connection/uni_websocket'),
    message_size_limit: integer(65_536, 1),
    compression: flag(),
    write_timeout: duration('1s'),
    join_push_messages: flag(),
    disable_disconnect_push: flag(),
  }),
  uni_http_stream: stream('/connection/uni_http_stream'),
  uni_sse: stream('/connection/uni_sse'),
  database: section({
    enabled: flag(true),
    postgresql: section({ dsn: text(), replica_dsn: texts(), pool_size: integer(20, 2, 1_000) }),
  }),
  push_notifications: PUSH_NOTIFICATIONS,
  consumers: list(CONSUMER),
  shutdown: section({ timeout: duration('30s') }),
});
