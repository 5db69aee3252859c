/**
 * What one key of the configuration is: how a value from a file or from the environment is read, what is allowed, and
 * what stands when nothing is given. Sections are options too, so a whole configuration is one option.
 */
import { parseDuration } from './duration.ts';

/** Where problems and warnings of one reading are gathered, so that all are shown at once. */
export interface Findings {
  readonly problems: string[];
  readonly warnings: string[];
}

export interface Option<T> {
  readonly kind: 'leaf' | 'section' | 'list' | 'named';
  /** What is allowed, in words: `a whole number from 1 to 65535`. */
  readonly allowed: string;
  readonly fallback: T;
  /** Of a section, and of the sections in a list or under names. */
  readonly members?: Readonly<Record<string, Option<unknown>>>;
  /** Reads a parsed JSON value. Reports what is wrong under `path` and then gives the fallback. */
  read(value: unknown, path: string, findings: Findings): T;
  /** Turns the text of an environment variable into a value for `read`. */
  fromText(text: string): unknown;
}

function leaf<T>(
  allowed: string,
  fallback: T,
  parse: (value: unknown) => T | undefined,
  fromText: (text: string) => unknown,
): Option<T> {
  return {
    kind: 'leaf',
    allowed,
    fallback,
    fromText,
    read(value, path, { problems }) {
      const parsed = parse(value);
      if (parsed !== undefined) return parsed;
      problems.push(`${path} is ${JSON.stringify(value)}: allowed is ${allowed}`);
      return fallback;
    },
  };
}

export function text(fallback = '', allowed = 'text'): Option<string> {
  return leaf(
    allowed,
    fallback,
    (value) => (typeof value === 'string' ? value : undefined),
    (raw) => raw,
  );
}

export function flag(fallback = false): Option<boolean> {
  const words: Record<string, boolean> = { true: true, '1': true, false: false, '0': false };
  return leaf(
    'true or false',
    fallback,
    (value) => (typeof value === 'boolean' ? value : undefined),
    (raw) => words[raw.toLowerCase()] ?? raw,
  );
}

export function integer(fallback: number, min = 0, max = Number.MAX_SAFE_INTEGER): Option<number> {
  const allowed = `a whole number ${max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`}`;
  const parse = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : undefined;
  return leaf(allowed, fallback, parse, (raw) => (raw.trim() === '' ? raw : Number(raw)));
}

/** A port, as a number or in digits as Centrifugo has it; empty for none, 0 for any that is free. */
export function portOrNone(): Option<number | ''> {
  const parse = (value: unknown) => {
    if (value === '') return '';
    const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
    return Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535
      ? (port as number)
      : undefined;
  };
  return leaf('a port from 0 to 65535, or "" for none', '', parse, (raw) => raw);
}

/** A number from 0 to 1. */
export function share(fallback: number): Option<number> {
  const parse = (value: unknown) =>
    typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
  return leaf('a number from 0 to 1', fallback, parse, (raw) => (raw.trim() === '' ? raw : Number(raw)));
}

/** Milliseconds; written as Go does (`"1h30m"`, `"25s"`), plain numbers are nanoseconds. */
export function duration(fallback: string): Option<number> {
  const parse = (value: unknown) => parseDuration(value);
  return leaf('a duration such as "25s" or "1h30m"', parseDuration(fallback) as number, parse, (raw) =>
    /^\d+$/.test(raw) ? Number(raw) : raw,
  );
}

export function choice<const T extends string>(fallback: NoInfer<T>, values: readonly T[]): Option<T> {
  const allowed = `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
  return leaf<T>(
    allowed,
    fallback,
    (value) => values.find((known) => known === value),
    (raw) => raw,
  );
}

/** A list of texts; in the environment separated by commas, or as JSON. */
export function texts<T extends string = string>(values?: readonly T[]): Option<T[]> {
  const allowed = values
    ? `a list of ${values.map((value) => JSON.stringify(value)).join(', ')}`
    : 'a list of texts';
  const parse = (value: unknown) =>
    Array.isArray(value) &&
    value.every((item) => typeof item === 'string' && (!values || values.includes(item as T)))
      ? (value as T[])
      : undefined;
  return leaf(allowed, [] as T[], parse, (raw) =>
    raw.trim().startsWith('[')
      ? parseJson(raw)
      : raw
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== ''),
  );
}

/** A list of texts of which a single one may stand for itself. */
export function textOrTexts(fallback: string[]): Option<string[]> {
  const { fromText } = texts();
  const parse = (value: unknown) => {
    const list = typeof value === 'string' ? [value] : value;
    return Array.isArray(list) && list.every((item) => typeof item === 'string')
      ? (list as string[])
      : undefined;
  };
  return leaf('a text or a list of texts', fallback, parse, fromText);
}

/** Texts by name; in the environment as JSON. */
export function textMap(): Option<Record<string, string>> {
  const parse = (value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((item) => typeof item === 'string')
      ? (value as Record<string, string>)
      : undefined;
  return leaf('texts by name: {"name": "value"}', {}, parse, parseJson);
}

type Members<T> = { [Key in keyof T]: Option<T[Key]> };

export function section<T extends object>(members: Members<T>): Option<T> {
  const known = members as Record<string, Option<unknown>>;
  const fallback = Object.fromEntries(
    Object.entries(known).map(([key, option]) => [key, option.fallback]),
  ) as T;
  return sectionOf(known, fallback);
}

/** A section whose members are there only when they are given. */
export function optionals<T extends object>(members: Members<T>): Option<Partial<T>> {
  return sectionOf(members as Record<string, Option<unknown>>, {} as Partial<T>);
}

function sectionOf<T extends object>(known: Record<string, Option<unknown>>, fallback: T): Option<T> {
  return {
    kind: 'section',
    allowed: 'a section: {…}',
    fallback,
    members: known,
    fromText: parseJson,
    read(value, path, findings) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        findings.problems.push(
          `${path || 'the configuration'} is ${JSON.stringify(value)}: allowed is a section: {…}`,
        );
        return fallback;
      }
      const result: Record<string, unknown> = { ...(fallback as Record<string, unknown>) };
      for (const [key, item] of Object.entries(value)) {
        const itemPath = path ? `${path}.${key}` : key;
        const option = known[key];
        // As in Go's decoder: as if the key were absent.
        if (option && item === null) continue;
        if (option) result[key] = option.read(item, itemPath, findings);
        else if (isIndispensable(key, item)) findings.problems.push(refusal(itemPath));
        else findings.warnings.push(unknownKey(itemPath, key, Object.keys(known)));
      }
      return result as T;
    },
  };
}

/** Sections by names that the operator chooses, such as apps. */
export function named<T extends object>(pattern: RegExp, item: Option<T>): Option<Record<string, T>> {
  const allowed = `sections by name: {"name": {…}}, each with any of ${Object.keys(item.members ?? {}).join(', ')}`;
  return {
    kind: 'named',
    allowed,
    fallback: {},
    members: item.members,
    fromText: parseJson,
    read(value, path, findings) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        findings.problems.push(`${path} is ${JSON.stringify(value)}: allowed are ${allowed}`);
        return {};
      }
      const entries = Object.entries(value).filter(([name]) => {
        if (pattern.test(name)) return true;
        findings.problems.push(
          `${path} has the name ${JSON.stringify(name)}: allowed are 1 to 32 of a-z, 0-9, "-" and "_", with a letter or digit at both ends`,
        );
        return false;
      });
      return Object.fromEntries(
        entries.map(([name, entry]) => [name, item.read(entry, `${path}.${name}`, findings)]),
      );
    },
  };
}

/** A list of sections, such as namespaces and consumers. */
export function list<T extends object>(item: Option<T>): Option<T[]> {
  return {
    kind: 'list',
    allowed: 'a list of sections: [{…}]',
    fallback: [],
    members: item.members,
    fromText: parseJson,
    read(value, path, findings) {
      if (Array.isArray(value))
        return value.map((entry, index) => item.read(entry, `${path}[${index}]`, findings));
      findings.problems.push(`${path} is ${JSON.stringify(value)}: allowed is a list of sections: [{…}]`);
      return [];
    },
  };
}

function parseJson(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

/** Keys of Centrifugo's that mean something there but nothing here yet, by the last part of their path. */
const CENTRIFUGO_KEYS = new Set(
  `admin reflection uni_grpc channel_namespace_resolution
   webtransport tls tls_external swagger debug usage_stats opentelemetry graphite node pid_file redis nats
   cluster_address sentinel_address sentinel_user sentinel_password sentinel_master_name sentinel_client_name sentinel_tls
   client_name force_resp2 history_use_lists presence_hash_field_ttl presence_user_mapping
   jwks insecure_skip_jwks_endpoint_safety_check insecure_skip_token_signature_verify concurrency
   connect_code_to_unidirectional_disconnect
   subscribe_stream_proxy_enabled subscribe_stream_proxy_name subscribe_stream subscription_type grpc_metadata grpc external
   tls_autocert http3 use_write_buffer_pool read_buffer_size write_buffer_size swagger_enabled
   nats_jetstream
   google_pub_sub aws_sqs azure_service_bus recover_since_enabled
   internal_tls h2c_external file replica_client postgres map_broker controller shared_poll client_ca_pem
   channel_position_max_time_lag user_id_http_header map_publish map_remove shared_poll_refresh
   map_clients_presence_channel_prefix map_users_presence_channel_prefix subscribe_stream_proxy_bidirectional
   map private_prefix namespace_boundary user_boundary user_separator server_ca_pem insecure_skip_verify
   server_name compression_min_size compression_level decompressed_message_size_limit
   connect_code_to_http_response disable_closing_handshake recovered_publications_histogram native_histograms
   init enable_unreleased_features`.split(/\s+/),
);

/** Without TLS a connection would be open to others, without these addresses it would lead elsewhere. */
const TLS_KEYS = new Set(['tls', 'tls_autocert', 'internal_tls', 'sentinel_tls']);
const ADDRESS_KEYS = new Set(['cluster_address', 'sentinel_address']);

/** Whether passing over a key of Centrifugo's would make something else of the configuration than it says. */
function isIndispensable(key: string, value: unknown): boolean {
  if (TLS_KEYS.has(key)) return (value as { enabled?: unknown } | null)?.enabled === true;
  return ADDRESS_KEYS.has(key) && value !== null && String(value) !== '';
}

function refusal(path: string): string {
  return `${path} is known to Centrifugo, but not supported here, and would not be safe to ignore: for TLS say sslmode in the DSN of PostgreSQL, rediss:// for Redis, or put a proxy before the server; of Redis name single servers in address`;
}

function unknownKey(path: string, key: string, known: readonly string[]): string {
  if (CENTRIFUGO_KEYS.has(key)) return `${path} is known to Centrifugo, but not supported here yet: ignored`;
  const nearest = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    nearest && nearest.distance <= Math.max(2, key.length / 3) ? `; did you mean ${nearest.name}?` : '';
  return `${path} is not a known key: ignored${hint}`;
}

/** Levenshtein's distance, for 'did you mean'. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
