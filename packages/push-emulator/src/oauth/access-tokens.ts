import { randomBytes } from 'node:crypto';

/** What an access token allows. */
export interface Grant<Owner> {
  readonly owner: Owner;
  /** Space-separated, as it was asked for; empty where the vendor has none. */
  readonly scope: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** The bounds of one emulator: more are forgotten, oldest first. */
const MAX_TOKENS = 10_000;

/** The access tokens that an OAuth endpoint gave out. */
export class AccessTokens<Owner> {
  /**
   * What the endpoint says and holds to; Google's own word is 3599, Huawei's 3600. A sender that trusts an hour instead of
   * this number is found out by a small one.
   */
  lifetimeSeconds: number;
  readonly #prefix: string;
  readonly #now: () => number;
  readonly #grants = new Map<string, Grant<Owner>>();

  constructor(options: { prefix: string; lifetimeSeconds: number; now: () => number }) {
    this.#prefix = options.prefix;
    this.lifetimeSeconds = options.lifetimeSeconds;
    this.#now = options.now;
  }

  issue(owner: Owner, scope = ''): { token: string; expiresIn: number } {
    const token = this.#prefix + randomBytes(96).toString('base64url');
    const expiresIn = this.lifetimeSeconds;
    this.#grants.set(token, { owner, scope, expiresAt: this.#now() + expiresIn * 1000 });
    if (this.#grants.size > MAX_TOKENS) {
      const [oldest] = this.#grants.keys();
      if (oldest !== undefined) this.#grants.delete(oldest);
    }
    return { token, expiresIn };
  }

  /** `expired` for one that was good once, `unknown` for one that never was. */
  check(token: string): Grant<Owner> | 'expired' | 'unknown' {
    const grant = this.#grants.get(token);
    if (!grant) return 'unknown';
    return grant.expiresAt > this.#now() ? grant : 'expired';
  }

  /** Ends all that are out, before the time that was promised. */
  expireAll(): void {
    for (const grant of this.#grants.values()) grant.expiresAt = 0;
  }
}

/** The token of an `Authorization: Bearer` header; undefined when there is none. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^bearer\s+(\S+)\s*$/i.exec(header ?? '')?.[1];
}
