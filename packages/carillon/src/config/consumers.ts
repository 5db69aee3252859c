/** What consumers can be told: options with their types. */
import { choice, duration, flag, integer, section, text, texts } from './option.ts';
import { TLS, type TlsOptions } from './tls.ts';

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

export const CONSUMER = section<ConsumerConfig>({
  name: text(),
  enabled: flag(),
  type: choice('postgresql', ['postgresql', 'postgresql_wal', 'kafka', 'redis_stream']),
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
  kafka: section<KafkaConsumerOptions>({
    brokers: texts(),
    topics: texts(),
    consumer_group: text(),
    max_poll_records: integer(100, 1),
    fetch_max_bytes: integer(52_428_800, 1_024, 1_073_741_824),
    fetch_max_wait: duration('500ms'),
    fetch_read_uncommitted: flag(),
    partition_queue_max_size: integer(1_000, -1),
    dial_timeout: duration('3s'),
    session_timeout: duration('10s'),
    sasl_mechanism: choice('', ['', 'plain', 'scram-sha-256', 'scram-sha-512', 'aws-msk-iam']),
    sasl_user: text(),
    sasl_password: text(),
    tls: TLS,
    instance_id: text(),
    method_header: text('centrifugo-method'),
    publication_data_mode: section<PublicationDataMode>({
      enabled: flag(),
      channels_header: text('centrifugo-channels'),
      idempotency_key_header: text('centrifugo-idempotency-key'),
      delta_header: text('centrifugo-delta'),
      version_header: text('centrifugo-version'),
      version_epoch_header: text('centrifugo-version-epoch'),
      tags_header_prefix: text('centrifugo-tag-'),
    }),
  }),
  redis_stream: section<RedisStreamConsumerOptions>({
    address: text('redis://127.0.0.1:6379'),
    user: text(),
    password: text(),
    db: integer(0),
    connect_timeout: duration('1s'),
    io_timeout: duration('4s'),
    streams: texts(),
    consumer_group: text(),
    visibility_timeout: duration('30s'),
    num_workers: integer(1, 1, 1_000),
    max_queue_size: integer(1_000, 1, 1_000_000),
    delete_settled: flag(),
    payload_value: text('payload'),
    method_value: text('method'),
    publication_data_mode: section<RedisStreamDataMode>({
      enabled: flag(),
      channels_value: text('centrifugo-channels'),
      idempotency_key_value: text('centrifugo-idempotency-key'),
      delta_value: text('centrifugo-delta'),
      version_value: text('centrifugo-version'),
      version_epoch_value: text('centrifugo-version-epoch'),
      tags_value_prefix: text('centrifugo-tag-'),
    }),
  }),
});
