import { PROVIDER_NAMES } from '../push/providers/provider.ts';
import type {
  Config,
  NamespaceOptions,
  PostgresWalOptions,
  RedisStreamConsumerOptions,
  WebPushConfig,
} from './config.ts';
import { brokerRedis, queueOf } from './engine.ts';
import { readPem } from './pem.ts';
import { endpointProblems } from './validate-endpoints.ts';
import { engineProblems, REDIS_ADDRESS } from './validate-engine.ts';
import { kafkaProblems } from './validate-kafka.ts';
import { proxyProblems } from './validate-proxies.ts';
import { tokenProblems } from './validate-tokens.ts';

const NAMESPACE_NAME = /^[-a-zA-Z0-9_.]{2,}$/;
/** PostgreSQL allows 63; while a slot is made, its name has four more. */
const SLOT_NAME = /^[a-z0-9_]{1,59}$/;
const MIN_WAL_INTERVAL_MS = 100;
const CONSUMER_NAME = /^[a-zA-Z0-9_]{2,}$/;
/** Shorter ones end by a pause of the garbage collector. */
const MIN_LEASE_MS = 500;
const TABLE_PREFIX = /^([a-z][a-z0-9_]{0,19})?$/;
const ADDRESS = /^([^\s:/@[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;
const TABLE_NAME = /^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$/;

/** What no single option can check by itself. Gives back problems in words: key, value, what is allowed. */
export function validateConfig(config: Config): string[] {
  return [
    ...engineProblems(config),
    ...channelProblems(config),
    ...clientProblems(config),
    ...endpointProblems(config),
    ...proxyProblems(config),
    ...grpcProblems(config),
    ...consumerProblems(config),
    ...pushProblems(config),
  ];
}

function channelProblems({ channel }: Config): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  channel.namespaces.forEach((namespace, index) => {
    const path = `channel.namespaces[${index}]`;
    const name = JSON.stringify(namespace.name);
    if (!NAMESPACE_NAME.test(namespace.name)) {
      problems.push(`${path}.name is ${name}: allowed are two or more of letters, digits, "-", "_" and "."`);
    }
    if (seen.has(namespace.name))
      problems.push(`${path}.name is ${name}: another namespace has that name already`);
    seen.add(namespace.name);
    problems.push(...namespaceProblems(namespace, path, channel.history_meta_ttl));
  });
  problems.push(
    ...namespaceProblems(channel.without_namespace, 'channel.without_namespace', channel.history_meta_ttl),
  );
  return problems;
}

function namespaceProblems(namespace: NamespaceOptions, path: string, metaTtl: number): string[] {
  const problems: string[] = [];
  const history = namespace.history_size > 0 && namespace.history_ttl > 0;
  if (namespace.history_size > 0 !== namespace.history_ttl > 0) {
    problems.push(`${path}.history_size and ${path}.history_ttl go together: set both, or neither`);
  }
  for (const key of ['force_recovery', 'allow_recovery', 'force_positioning', 'allow_positioning'] as const) {
    if (namespace[key] && !history) problems.push(`${path}.${key} needs history_size and history_ttl`);
  }
  if (
    namespace.auto_cache_recover &&
    !(namespace.force_recovery && namespace.force_recovery_mode === 'cache')
  ) {
    problems.push(`${path}.auto_cache_recover needs force_recovery, and force_recovery_mode "cache"`);
  }
  if (history && (namespace.history_meta_ttl || metaTtl) < namespace.history_ttl) {
    problems.push(`${path}.history_meta_ttl must not be shorter than history_ttl`);
  }
  try {
    new RegExp(namespace.channel_regex);
  } catch (error) {
    problems.push(
      `${path}.channel_regex is ${JSON.stringify(namespace.channel_regex)}: ${(error as Error).message}`,
    );
  }
  return problems;
}

function clientProblems({ client, channel }: Config): string[] {
  const problems = [
    ...tokenProblems(client.token, 'client.token'),
    ...tokenProblems(client.subscription_token, 'client.subscription_token'),
  ];
  if (client.ping_interval <= client.pong_timeout)
    problems.push('client.ping_interval must be longer than client.pong_timeout');
  const { enabled, personal_channel_namespace: personal } = client.subscribe_to_user_personal_channel;
  if (enabled && personal && !channel.namespaces.some(({ name }) => name === personal)) {
    problems.push(
      `client.subscribe_to_user_personal_channel.personal_channel_namespace is ${JSON.stringify(personal)}: allowed is the name of a namespace`,
    );
  }
  return problems;
}

function grpcProblems({ grpc_api: { enabled, tls } }: Config): string[] {
  if (!enabled || !tls.enabled) return [];
  return (['cert_pem', 'key_pem', 'client_ca_pem'] as const).flatMap((key) => {
    if (key === 'client_ca_pem' && !tls[key]) return [];
    try {
      readPem(tls[key], `grpc_api.tls.${key}`);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}

function consumerProblems({ consumers, database }: Config): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const slots = new Set<string>();
  consumers.forEach(
    ({ name, enabled, type, postgresql, postgresql_wal: wal, kafka, redis_stream: redisStream }, index) => {
      const path = `consumers[${index}]`;
      if (!CONSUMER_NAME.test(name)) {
        problems.push(
          `${path}.name is ${JSON.stringify(name)}: allowed are two or more of letters, digits and "_"`,
        );
      }
      if (seen.has(name))
        problems.push(`${path}.name is ${JSON.stringify(name)}: another consumer has that name already`);
      seen.add(name);
      if (!enabled) return;
      if (type === 'postgresql_wal') {
        const slot = wal.slot_name || `carillon_${name.toLowerCase()}`;
        problems.push(...walProblems(wal, slot, `${path}.postgresql_wal`, database.enabled));
        if (slots.has(`${slot} ${wal.dsn}`))
          problems.push(
            `${path}.postgresql_wal.slot_name is ${JSON.stringify(slot)}: another consumer reads that slot already`,
          );
        slots.add(`${slot} ${wal.dsn}`);
        return;
      }
      if (type === 'redis_stream') {
        problems.push(...redisStreamProblems(redisStream, `${path}.redis_stream`));
        return;
      }
      if (type === 'kafka') {
        problems.push(...kafkaProblems(`${path}.kafka`, kafka));
        return;
      }
      if (!TABLE_NAME.test(postgresql.outbox_table_name)) {
        problems.push(
          `${path}.postgresql.outbox_table_name is ${JSON.stringify(postgresql.outbox_table_name)}: allowed is a table's name, or schema.table`,
        );
      }
      if (!postgresql.dsn && !database.enabled) {
        problems.push(
          `${path}.postgresql.dsn is empty, which means the server's own database, but database.enabled is false`,
        );
      }
    },
  );
  return problems;
}

function redisStreamProblems(options: RedisStreamConsumerOptions, path: string): string[] {
  const problems: string[] = [];
  if (!REDIS_ADDRESS.test(options.address))
    problems.push(`${path}.address is not readable: allowed is host:port or a redis:// or rediss:// URL`);
  if (options.streams.length === 0 || options.streams.includes(''))
    problems.push(
      `${path}.streams is ${JSON.stringify(options.streams)}: allowed is a list of one or more names of streams`,
    );
  if (new Set(options.streams).size < options.streams.length)
    problems.push(`${path}.streams is ${JSON.stringify(options.streams)}: a stream may be named once`);
  if (options.consumer_group === '') problems.push(`${path}.consumer_group is "": allowed is a name`);
  if (options.visibility_timeout < MIN_LEASE_MS)
    problems.push(
      `${path}.visibility_timeout is ${options.visibility_timeout} ms: allowed is ${MIN_LEASE_MS} ms or more`,
    );
  return problems;
}

function walProblems(wal: PostgresWalOptions, slot: string, path: string, hasDatabase: boolean): string[] {
  const problems: string[] = [];
  if (!TABLE_NAME.test(wal.table_name)) {
    problems.push(
      `${path}.table_name is ${JSON.stringify(wal.table_name)}: allowed is a table's name, or schema.table`,
    );
  }
  if (!wal.dsn && !hasDatabase) {
    problems.push(
      `${path}.dsn is empty, which means the server's own database, but database.enabled is false`,
    );
  }
  if (!SLOT_NAME.test(slot)) {
    problems.push(`${path}.slot_name is ${JSON.stringify(slot)}: allowed are up to 59 of a-z, 0-9 and "_"`);
  }
  for (const key of ['status_interval', 'trim_interval'] as const) {
    if (wal[key] < MIN_WAL_INTERVAL_MS)
      problems.push(`${path}.${key} is ${wal[key]} ms: allowed is ${MIN_WAL_INTERVAL_MS} ms or more`);
  }
  return problems;
}

function queueProblems(config: Config): string[] {
  const { database } = config;
  const { type, lease, redis, postgresql } = queueOf(config);
  const path = 'push_notifications.queue';
  const problems: string[] = [];
  if (lease < MIN_LEASE_MS) {
    problems.push(`${path}.lease is ${lease} ms: allowed is ${MIN_LEASE_MS} ms or more`);
  }
  const isRedis = type === 'redis' || (type === '' && redis.address !== '');
  if (isRedis && !redis.address) {
    problems.push(
      `${path}.type is "redis", but ${path}.redis.address is empty: allowed is host:port or a redis:// URL`,
    );
  }
  if (isRedis && redis.address && !REDIS_ADDRESS.test(redis.address)) {
    problems.push(
      `${path}.redis.address is not readable: allowed is host:port or a redis:// or rediss:// URL`,
    );
  }
  if (!isRedis && !database.enabled && !postgresql.dsn) {
    problems.push(
      `${path} has nowhere to keep jobs, because database.enabled is false: set ${path}.redis.address or ${path}.postgresql.dsn`,
    );
  }
  if (redis.reuse_from_engine && config.push_notifications.queue.redis.address) {
    problems.push(`${path}.redis.reuse_from_engine and ${path}.redis.address exclude each other`);
  }
  if (redis.reuse_from_engine && !brokerRedis(config)) {
    problems.push(
      `${path}.redis.reuse_from_engine is true, but real time uses no Redis: set engine.type to "redis", or ${path}.redis.address`,
    );
  }
  if (postgresql.reuse_from_database && postgresql.dsn) {
    problems.push(`${path}.postgresql.reuse_from_database and ${path}.postgresql.dsn exclude each other`);
  }
  if (!TABLE_PREFIX.test(postgresql.prefix)) {
    problems.push(
      `${path}.postgresql.prefix is ${JSON.stringify(postgresql.prefix)}: allowed are up to 20 of a-z, 0-9 and "_", beginning with a letter`,
    );
  }
  return problems;
}

function pushProblems(config: Config): string[] {
  const { push_notifications: push, database } = config;
  if (!push.enabled) return [];
  const problems = queueProblems(config);
  if (push.read_from_replica && database.postgresql.replica_dsn.length === 0) {
    problems.push(
      'push_notifications.read_from_replica needs database.postgresql.replica_dsn, a list of DSNs',
    );
  }
  const apps = Object.entries(push.apps);
  for (const [name, providers] of apps) {
    if (Object.keys(providers).length === 0) {
      problems.push(
        `push_notifications.apps.${name} is empty: allowed is a section for each of its providers, of ${PROVIDER_NAMES.join(', ')}`,
      );
    }
    if (name === 'default') {
      problems.push(
        'push_notifications.apps has the name "default": that is the app without a name, whose providers have their sections in push_notifications itself',
      );
    }
  }
  const sections: [string, WebPushConfig, boolean][] = [
    ['push_notifications.webpush', push.webpush, push.enabled_providers.includes('webpush')],
    ...apps.flatMap(([name, { webpush }]): [string, WebPushConfig, boolean][] =>
      webpush ? [[`push_notifications.apps.${name}.webpush`, webpush, true]] : [],
    ),
  ];
  return [...problems, ...sections.flatMap((section) => webPushProblems(...section))];
}

function webPushProblems(path: string, config: WebPushConfig, isEnabled: boolean): string[] {
  const problems: string[] = [];
  const { subject, vapid_public_key, vapid_private_key, insecure_endpoint_origins } = config;
  if (!subject && isEnabled) {
    problems.push(
      `${path}.subject is missing: push services want a contact, a mailto: or https: URL of yours`,
    );
  }
  if (subject && !/^(mailto:[^@\s]+@[^@\s]+|https:\/\/\S+)$/.test(subject)) {
    problems.push(`${path}.subject is ${JSON.stringify(subject)}: allowed is a mailto: or https: URL`);
  }
  if ((vapid_public_key === '') !== (vapid_private_key === '')) {
    problems.push(`${path}.vapid_public_key and vapid_private_key go together: set both, or neither`);
  }
  if (config.emulator_address && !ADDRESS.test(config.emulator_address)) {
    problems.push(
      `${path}.emulator_address is ${JSON.stringify(config.emulator_address)}: allowed is host:port, such as "127.0.0.1:8091"`,
    );
  }
  insecure_endpoint_origins.forEach((origin, index) => {
    if (URL.parse(origin)?.origin !== origin) {
      problems.push(
        `${path}.insecure_endpoint_origins[${index}] is ${JSON.stringify(origin)}: allowed is an exact origin such as "http://127.0.0.1:8090"`,
      );
    }
  });
  return problems;
}
