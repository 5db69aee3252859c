/**
 * The configuration as the server uses it: every key present, durations in milliseconds. Names and defaults are
 * Centrifugo v6's (`server-api` section 8, `push-api` section 10, `client-protocol` section 10, `consumers`).
 */
import type { ConsumerConfig } from './consumers.ts';
import type { ProxyOptions, RpcConfig } from './proxies.ts';
import type { PushConfig } from './push.ts';

export type * from './consumers.ts';
export type * from './push.ts';
export type { TlsOptions } from './tls.ts';

export interface NamespaceOptions {
  history_size: number;
  history_ttl: number;
  history_meta_ttl: number;
  force_positioning: boolean;
  allow_positioning: boolean;
  force_recovery: boolean;
  allow_recovery: boolean;
  /** Empty: `stream`. */
  force_recovery_mode: '' | 'stream' | 'cache';
  auto_cache_recover: boolean;
  presence: boolean;
  join_leave: boolean;
  force_push_join_leave: boolean;
  allow_subscribe_for_client: boolean;
  allow_subscribe_for_anonymous: boolean;
  allow_publish_for_client: boolean;
  allow_publish_for_subscriber: boolean;
  allow_publish_for_anonymous: boolean;
  allow_presence_for_client: boolean;
  allow_presence_for_subscriber: boolean;
  allow_presence_for_anonymous: boolean;
  allow_history_for_client: boolean;
  allow_history_for_subscriber: boolean;
  allow_history_for_anonymous: boolean;
  allow_user_limited_channels: boolean;
  allowed_delta_types: 'fossil'[];
  delta_publish: boolean;
  allow_tags_filter: boolean;
  channel_regex: string;
  publication_data_format: '' | 'json' | 'json_object' | 'binary';
  subscribe_proxy_enabled: boolean;
  subscribe_proxy_name: string;
  publish_proxy_enabled: boolean;
  publish_proxy_name: string;
  sub_refresh_proxy_enabled: boolean;
  sub_refresh_proxy_name: string;
}

export interface TokenOptions {
  hmac_secret_key: string;
  hmac_previous_secret_key: string;
  /** Unix seconds; 0 for as long as it is configured. */
  hmac_previous_secret_key_valid_until: number;
  /** PEM. */
  rsa_public_key: string;
  /** PEM. */
  ecdsa_public_key: string;
  /** URL of a key set; when given, no other key counts. */
  jwks_public_endpoint: string;
  audience: string;
  audience_regex: string;
  issuer: string;
  issuer_regex: string;
  user_id_claim: string;
}

export interface ClientOptions {
  allowed_origins: string[];
  insecure: boolean;
  allow_anonymous_connect_without_token: boolean;
  disallow_anonymous_connection_tokens: boolean;
  token: TokenOptions;
  subscription_token: TokenOptions & { enabled: boolean };
  proxy: { connect: ProxyOptions & { enabled: boolean }; refresh: ProxyOptions & { enabled: boolean } };
  subscribe_to_user_personal_channel: {
    enabled: boolean;
    personal_channel_namespace: string;
    /** A user's new connection takes the place of the earlier ones. */
    single_connection: boolean;
  };
  ping_interval: number;
  pong_timeout: number;
  stale_close_delay: number;
  expired_close_delay: number;
  expired_sub_close_delay: number;
  presence_update_interval: number;
  channel_position_check_delay: number;
  channel_limit: number;
  queue_max_size: number;
  history_max_publication_limit: number;
  recovery_max_publication_limit: number;
  user_connection_limit: number;
  connection_limit: number;
  /** New connections a second; 0 for any number. */
  connection_rate_limit: number;
  connect_include_server_time: boolean;
}

export interface ChannelOptions {
  max_length: number;
  history_meta_ttl: number;
  publication_data_format: '' | 'json' | 'json_object' | 'binary';
  /** The proxies that namespaces have under the name `default`. */
  proxy: { subscribe: ProxyOptions; publish: ProxyOptions; sub_refresh: ProxyOptions };
  without_namespace: NamespaceOptions;
  namespaces: ({ name: string } & NamespaceOptions)[];
}

export interface WebSocketOptions {
  disabled: boolean;
  handler_prefix: string;
  message_size_limit: number;
  compression: boolean;
  write_timeout: number;
}

/** A transport that is an HTTP response without end. */
export interface StreamOptions {
  enabled: boolean;
  handler_prefix: string;
  max_request_body_size: number;
}

export interface UniWebSocketOptions {
  enabled: boolean;
  handler_prefix: string;
  message_size_limit: number;
  compression: boolean;
  write_timeout: number;
  /** Several messages in one frame, a line each. */
  join_push_messages: boolean;
  disable_disconnect_push: boolean;
}

export interface RedisConfig {
  /** Each `host:port` or a `redis://` or `rediss://` URL; channels are spread over several. */
  address: string[];
  /** Keys and PUB/SUB channels begin with it. */
  prefix: string;
  user: string;
  password: string;
  db: number;
  connect_timeout: number;
  /** A Redis that gives no answer for so long counts as lost. */
  io_timeout: number;
}

export interface RedisPresenceConfig extends RedisConfig {
  /** How long an entry lives that its node does not renew. */
  presence_ttl: number;
}

export type EngineType = 'memory' | 'redis';

export interface Config {
  /** Broker and presence manager in one; either can be set by itself. */
  engine: { type: EngineType; redis: RedisPresenceConfig };
  broker: { enabled: boolean; type: EngineType; redis: RedisConfig };
  presence_manager: { enabled: boolean; type: EngineType; redis: RedisPresenceConfig };
  http_server: { address: string; port: number; internal_address: string; internal_port: number | '' };
  log: { level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'none' };
  http_api: {
    key: string;
    insecure: boolean;
    disabled: boolean;
    /** At the public port, though there is an internal one. */
    external: boolean;
    error_mode: '' | 'transport';
    handler_prefix: string;
    /** Bytes; a 100 000-channel broadcast is about 2 MB. */
    max_body_size: number;
  };
  grpc_api: {
    enabled: boolean;
    address: string;
    port: number;
    /** Empty: the key of the HTTP API. */
    key: string;
    insecure: boolean;
    error_mode: '' | 'transport';
    /** Bytes; 0 for 4 MiB. */
    max_receive_message_size: number;
    /** Each as `readPem` takes it. With `client_ca_pem` clients must show a certificate of that authority. */
    tls: { enabled: boolean; cert_pem: string; key_pem: string; client_ca_pem: string };
  };
  health: { enabled: boolean; handler_prefix: string };
  prometheus: { enabled: boolean; handler_prefix: string; instrument_http_handlers: boolean };
  client: ClientOptions;
  channel: ChannelOptions;
  rpc: RpcConfig;
  /** Proxies that namespaces name. */
  proxies: ({ name: string } & ProxyOptions)[];
  websocket: WebSocketOptions;
  http_stream: StreamOptions;
  sse: StreamOptions;
  emulation: Omit<StreamOptions, 'enabled'>;
  uni_websocket: UniWebSocketOptions;
  uni_http_stream: StreamOptions;
  uni_sse: StreamOptions;
  database: {
    enabled: boolean;
    postgresql: { dsn: string; replica_dsn: string[]; pool_size: number };
  };
  push_notifications: PushConfig;
  consumers: ConsumerConfig[];
  shutdown: { timeout: number };
}
