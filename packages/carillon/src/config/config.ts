/**
 * The configuration as the server uses it: every key present, durations in milliseconds. Names and defaults are
 * Centrifugo v6's (`server-api` section 8, `push-api` section 10, `client-protocol` section 10, `consumers`).
 */
import type { ProviderName } from '../push/providers/provider.ts';
import type { ProxyOptions, RpcConfig } from './proxies.ts';

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

export interface PostgresConsumerOptions {
  /** Empty: the server's own database (the embedded one included). */
  dsn: string;
  outbox_table_name: string;
  num_partitions: number;
  partition_select_limit: number;
  partition_poll_interval: number;
  partition_notification_channel: string;
  partition_notification_dsn: string;
  use_try_lock: boolean;
}

/** The log of a PostgreSQL database, read by logical replication. */
export interface PostgresWalOptions {
  /** Empty: the server's own database, which must be PostgreSQL then. */
  dsn: string;
  table_name: string;
  /** Empty: `carillon_<name>`. */
  slot_name: string;
  /** Empty: `carillon_<name>`. */
  publication_name: string;
  /** Whether slot and publication are made when they are missing. */
  create: boolean;
  /** What becomes of rows that are in the table when the slot is made; skipped always when `trim` is off. */
  existing_rows: 'run' | 'skip';
  /** Commands that run at the same time, each of another partition. */
  num_workers: number;
  /** Rows that may wait in memory; beyond, the log is not read on. */
  max_queue_size: number;
  status_interval: number;
  /** Whether rows are deleted when their commands have taken effect. */
  trim: boolean;
  trim_interval: number;
  /** Bytes of log that the slot may keep without a warning. */
  lag_warning_size: number;
}

/** Of a connection that Carillon makes. A PEM is its text, its text in base64, or the path of a file with it. */
export interface TlsOptions {
  enabled: boolean;
  /** Carillon's own certificate and key, where the other side asks for one. */
  cert_pem: string;
  key_pem: string;
  /** The authority that the other side's certificate must be of; empty: those the system knows. */
  server_ca_pem: string;
  /** Empty: the name in the address. */
  server_name: string;
  insecure_skip_verify: boolean;
}

export interface KafkaConsumerOptions {
  /** `host:port` each. */
  brokers: string[];
  topics: string[];
  consumer_group: string;
  /** Records that are put into a partition's queue at once. */
  max_poll_records: number;
  fetch_max_bytes: number;
  fetch_max_wait: number;
  fetch_read_uncommitted: boolean;
  /** Records that may wait in a partition's queue before it is read on; -1: it must be empty. */
  partition_queue_max_size: number;
  dial_timeout: number;
  /** How long a member may be silent before its partitions go to others; ours. */
  session_timeout: number;
  sasl_mechanism: '' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'aws-msk-iam';
  sasl_user: string;
  sasl_password: string;
  tls: TlsOptions;
  /** Static membership in the group: a restart within the session timeout keeps the partitions. */
  instance_id: string;
  method_header: string;
  publication_data_mode: PublicationDataMode;
}

/** Records whose value is a publication's data, and whose headers say the rest. An empty name switches its header off. */
export interface PublicationDataMode {
  enabled: boolean;
  channels_header: string;
  idempotency_key_header: string;
  delta_header: string;
  version_header: string;
  version_epoch_header: string;
  tags_header_prefix: string;
}

export interface RedisStreamConsumerOptions {
  /** `host:port`, or a `redis://` or `rediss://` URL. */
  address: string;
  user: string;
  password: string;
  db: number;
  connect_timeout: number;
  io_timeout: number;
  streams: string[];
  consumer_group: string;
  /** How long the reader of a stream may be silent before another takes over, and an entry lie with another reader. */
  visibility_timeout: number;
  /** Commands of one stream that run at the same time; more than one gives up the order. */
  num_workers: number;
  /** Entries of one stream that may wait in memory. */
  max_queue_size: number;
  /** Whether entries are deleted once they are settled; for streams that no other group reads. */
  delete_settled: boolean;
  payload_value: string;
  method_value: string;
  publication_data_mode: RedisStreamDataMode;
}

/** Entries whose payload is a publication's data, and whose fields say the rest. An empty name switches its field off. */
export interface RedisStreamDataMode {
  enabled: boolean;
  channels_value: string;
  idempotency_key_value: string;
  delta_value: string;
  version_value: string;
  version_epoch_value: string;
  tags_value_prefix: string;
}

export interface ConsumerConfig {
  name: string;
  enabled: boolean;
  type: 'postgresql' | 'postgresql_wal' | 'kafka' | 'redis_stream';
  /** Attempts at a command that fails inside the server though nothing is away; then it is parked. 0: no end. */
  max_attempts: number;
  postgresql: PostgresConsumerOptions;
  postgresql_wal: PostgresWalOptions;
  kafka: KafkaConsumerOptions;
  redis_stream: RedisStreamConsumerOptions;
}

export interface VapidPair {
  vapid_public_key: string;
  vapid_private_key: string;
}

export interface WebPushConfig extends VapidPair {
  /** Pairs that were in use before: subscriptions made with them are still sent to. */
  previous_vapid_keys: VapidPair[];
  subject: string;
  tokens_batch_size: number;
  allowed_endpoint_origins: string[];
  extra_allowed_endpoint_origins: string[];
  /** Exact origins such as `http://127.0.0.1:8090`, for tests and emulators: lifts the SSRF rules for these alone. */
  insecure_endpoint_origins: string[];
  /** `host:port` of a push emulator over TLS, which gets what would go to any https endpoint. Empty: endpoints get it themselves. */
  emulator_address: string;
}

export interface FcmConfig {
  /** Path of a service account's key file; relative to the working directory. */
  credentials_file: string;
  /** The key file's text itself, in place of the file. */
  credentials_json: string;
  /** Empty: Google's. Another one is for the emulator. */
  endpoint: string;
  tokens_batch_size: number;
}

export interface HmsConfig {
  app_id: string;
  app_secret: string;
  auth_endpoint: string;
  push_endpoint: string;
  tokens_batch_size: number;
}

export interface ApnsConfig {
  /** `development`, `production`, or an https URL. */
  endpoint: string;
  bundle_id: string;
  auth_type: 'token' | 'cert';
  token_key_file: string;
  token_key_pem: string;
  token_key_id: string;
  token_team_id: string;
  cert_p12_file: string;
  cert_p12_b64: string;
  cert_p12_password: string;
  tokens_batch_size: number;
}

/** What becomes of each push is kept, of every device, of a share of them, or not. */
export interface StatusConfig {
  mode: 'off' | 'sampled' | 'full';
  /** The share of devices in `sampled`, 0 to 1. */
  sample_rate: number;
  retention: number;
}

/** What each provider needs. */
export interface ProviderConfigs {
  fcm: FcmConfig;
  hms: HmsConfig;
  apns: ApnsConfig;
  webpush: WebPushConfig;
}

export interface PushConfig extends ProviderConfigs {
  enabled: boolean;
  enabled_providers: ProviderName[];
  dry_run: boolean;
  dry_run_latency: number;
  max_inactive_device_interval: number;
  /** Threads that send; sockets never share one with them. 0: one for each core, four at the most. */
  sender_threads: number;
  retry: {
    max_attempts: number;
    base_delay: number;
    max_delay: number;
    /** For how long after its time a push waits for a credential to be mended or a quota to pass, attempts aside. */
    max_hold: number;
  };
  /** Whether `carillon serve` runs push workers, too; off where `carillon worker` does. */
  serve_workers: boolean;
  read_from_replica: boolean;
  status: StatusConfig;
  queue: QueueConfig;
  /** Further apps by name, each with credentials of its own for the providers that it has a section for. */
  apps: Record<string, Partial<ProviderConfigs>>;
}

export interface QueueConfig {
  /** How long a job stays with a worker that gives no sign of life. */
  lease: number;
  /** Empty: Redis where an address is given, else the database. */
  type: '' | 'postgresql' | 'redis';
  redis: {
    /** `host:port` or a `redis://` or `rediss://` URL. */
    address: string;
    /** Of Centrifugo's: take the address of the Redis that real time uses. */
    reuse_from_engine: boolean;
    /** Keys begin with it. */
    prefix: string;
    consumer_concurrency: number;
    /** Jobs that may wait in one lane; more are refused, none is trimmed. */
    max_stream_length: number;
  };
  postgresql: {
    /** Empty: the database of the devices. */
    dsn: string;
    reuse_from_database: boolean;
    consumer_concurrency: number;
    /** Pushes whose recipients are looked for at once: what is scheduled begins there. */
    scheduler_consumer_concurrency: number;
    /** Table names begin with it. */
    prefix: string;
  };
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
  http_server: { address: string; port: number };
  log: { level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'none' };
  http_api: {
    key: string;
    insecure: boolean;
    disabled: boolean;
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
  prometheus: { enabled: boolean; handler_prefix: string };
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
