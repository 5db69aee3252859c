/** What push notifications can be told: options with their types. */
import { PROVIDER_NAMES, type ProviderName } from '../push/providers/provider.ts';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  named,
  optionals,
  section,
  share,
  text,
  texts,
} from './option.ts';

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

export const PUSH_NOTIFICATIONS = section<PushConfig>({
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
