import picomatch from 'picomatch';
import type { ClientOptions } from '../../config/config.ts';

/** Who may open a connection, whatever the transport: by origin, by how many there are and how fast they come. */
export class ConnectionRules {
  readonly #client: ClientOptions;
  readonly #connections: () => number;
  readonly #now: () => number;
  readonly #origins: readonly ((origin: string) => boolean)[];
  /** Connections that may be opened at once; it fills up again by the rate. */
  #tokens: number;
  #filledAt: number;

  constructor(client: ClientOptions, connections: () => number, now = () => performance.now()) {
    this.#client = client;
    this.#connections = connections;
    this.#now = now;
    this.#origins = client.allowed_origins.map((pattern) => picomatch(flat(pattern), { dot: true }));
    this.#tokens = client.connection_rate_limit;
    this.#filledAt = now();
  }

  /** No Origin header: not a browser, allowed. Otherwise one of the globs must match the lower-cased origin. */
  allowsOrigin(origin: string | undefined): boolean {
    return !origin || this.#origins.some((matches) => matches(flat(origin)));
  }

  /** Whether one more connection may be opened now; counts it. */
  admits(): boolean {
    const { connection_limit: limit, connection_rate_limit: rate } = this.#client;
    if (limit > 0 && this.#connections() >= limit) return false;
    if (rate === 0) return true;
    const now = this.#now();
    this.#tokens = Math.min(rate, this.#tokens + ((now - this.#filledAt) / 1000) * rate);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** An origin's slashes are no path separators: `*` must match across them. */
function flat(text: string): string {
  return text.toLowerCase().replaceAll('/', '\u0001');
}
