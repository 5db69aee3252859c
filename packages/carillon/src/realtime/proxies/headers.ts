import { type IncomingHttpHeaders, validateHeaderValue } from 'node:http';
import type { ProxyOptions } from '../../config/proxies.ts';
import { disconnect } from '../codes.ts';

/** What belongs to one connection or one body, and must not travel to another. */
const NEVER = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Headers of one client that proxies may want: lower-cased name → value. */
export interface ClientHeaders {
  /** Of the request that it came with: set by the client, or by a proxy before us. */
  readonly http: Readonly<Record<string, string>>;
  /** Of its first command: always the client's own word. */
  readonly emulated: Readonly<Record<string, string>>;
}

export const NO_HEADERS: ClientHeaders = { http: {}, emulated: {} };

/** Which headers any of the proxies passes on; nothing else is kept of a connection. */
export class HeaderSelection {
  readonly #http: ReadonlySet<string>;
  readonly #emulated: ReadonlySet<string>;

  constructor(proxies: readonly ProxyOptions[]) {
    this.#http = new Set(proxies.flatMap(({ http_headers }) => lowered(http_headers)));
    this.#emulated = new Set(proxies.flatMap(({ emulated_headers }) => lowered(emulated_headers)));
  }

  ofRequest(headers: IncomingHttpHeaders): ClientHeaders {
    if (this.#http.size === 0) return NO_HEADERS;
    const kept = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
      value !== undefined && this.#http.has(name)
        ? [[name, Array.isArray(value) ? value.join(', ') : value]]
        : [],
    );
    return { ...NO_HEADERS, http: Object.fromEntries(kept) };
  }

  /** Adds the `headers` of a connect command. @throws Disconnect 3501 for what no header can be */
  withEmulated(headers: ClientHeaders, given: unknown): ClientHeaders {
    if (this.#emulated.size === 0 || typeof given !== 'object' || given === null) return headers;
    const kept = Object.entries(given).flatMap(([name, value]): [string, string][] => {
      const lower = name.toLowerCase();
      if (!this.#emulated.has(lower)) return [];
      if (typeof value !== 'string' || !isHeaderValue(lower, value)) throw disconnect('badRequest');
      return [[lower, value]];
    });
    return { ...headers, emulated: Object.fromEntries(kept) };
  }
}

/** What one proxy passes on of a client's headers. Those of its request win over those that it only claims. */
export function passedOn(
  { http, emulated }: ClientHeaders,
  { http_headers, emulated_headers }: Pick<ProxyOptions, 'http_headers' | 'emulated_headers'>,
): Record<string, string> {
  return { ...picked(emulated, emulated_headers), ...picked(http, http_headers) };
}

function picked(headers: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lowered(names).flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  );
}

function lowered(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase()).filter((name) => !NEVER.has(name));
}

function isHeaderValue(name: string, value: string): boolean {
  try {
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
