import { isIP } from 'node:net';
import picomatch from 'picomatch';
import { optionError } from '../option-error.ts';

/** The push services of the browsers (`push-api` 5.2), and the host that Debian's Chromium gets its endpoints at. */
export const BUILT_IN_ENDPOINT_ORIGINS: readonly string[] = [
  'https://*.googleapis.com',
  'https://jmt17.google.com',
  'https://*.push.apple.com',
  'https://*.notify.windows.com',
  'https://*.push.services.mozilla.com',
];

/** Endpoints are stored under a unique index, whose entries PostgreSQL bounds at 2704 bytes. */
const MAX_ENDPOINT_LENGTH = 2048;
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

export interface EndpointOptions {
  readonly allowed_endpoint_origins: readonly string[];
  readonly extra_allowed_endpoint_origins: readonly string[];
  readonly insecure_endpoint_origins: readonly string[];
}

/** An endpoint that may be sent to. */
export interface Endpoint {
  /** `scheme://host[:port]`, lower case, no default port. */
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  /** Named in `insecure_endpoint_origins`: plain http and private addresses are allowed. */
  readonly insecure: boolean;
}

/**
 * Says which endpoints may be sent to. Checked at registration and again at each send.
 * @returns the endpoint's parts, or a string with the reason against it
 */
export type EndpointRules = (endpoint: string) => Endpoint | string;

/**
 * The rules of `push-api` 5.2 but for the resolved address, which `guardLookup` checks at connect time.
 *
 * @param section where the options are, for words about them
 * @throws ConfigError naming an insecure origin that is none
 */
export function createEndpointRules(options: EndpointOptions, section = 'webpush'): EndpointRules {
  const allowed =
    options.allowed_endpoint_origins.length > 0
      ? options.allowed_endpoint_origins
      : BUILT_IN_ENDPOINT_ORIGINS;
  const patterns = [...allowed, ...options.extra_allowed_endpoint_origins].map(normalizePattern);
  // `bash` lets `*` span `/` and dots alike: the glob of `client.allowed_origins` has no separators.
  const isAllowed = picomatch(patterns, { bash: true, dot: true });
  const insecureOrigins = new Set(
    options.insecure_endpoint_origins.map((origin) => normalizeOrigin(origin, section)),
  );

  return (endpoint) => {
    if (endpoint.length > MAX_ENDPOINT_LENGTH) return `must be at most ${MAX_ENDPOINT_LENGTH} characters`;
    if (!PRINTABLE_ASCII.test(endpoint)) return 'must be a URL without spaces or control characters';
    const url = URL.parse(endpoint);
    if (!url) return 'must be a URL';
    if (url.username || url.password) return 'must not carry credentials';
    const { origin } = url;
    const path = url.pathname + url.search;
    if (insecureOrigins.has(origin)) return { origin, path, insecure: true };
    if (url.protocol !== 'https:') return `must use https, got ${url.protocol.slice(0, -1)}`;
    // The URL parser has turned decimal, hex, octal and short forms into dotted decimal by now.
    if (isIP(url.hostname) || url.hostname.startsWith('[')) return 'must not be an IP address';
    if (!isAllowed(origin))
      return `origin ${origin} is not allowed by push_notifications.${section}.allowed_endpoint_origins`;
    return { origin, path, insecure: false };
  };
}

/** Origins are compared in lower case and without a default port. */
function normalizePattern(pattern: string): string {
  return pattern.toLowerCase().replace(/^(https:.*):443$/, '$1');
}

function normalizeOrigin(origin: string, section: string): string {
  const url = URL.parse(origin);
  const isOrigin =
    url &&
    /^https?:$/.test(url.protocol) &&
    !url.username &&
    url.pathname === '/' &&
    !url.search &&
    !url.hash;
  if (!isOrigin) {
    throw optionError(
      `${section}.insecure_endpoint_origins`,
      `must be an origin such as http://127.0.0.1:8090, got ${JSON.stringify(origin)}`,
    );
  }
  return url.origin;
}
