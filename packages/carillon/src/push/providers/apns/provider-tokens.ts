import { type KeyObject, sign } from 'node:crypto';

/** Tokens that are made within the same 20 minutes say that they were made at their beginning. */
const SLOT_SECONDS = 20 * 60;
/** APNs takes a token for an hour; ten minutes are left for clocks that differ. */
const MAX_AGE_SECONDS = 50 * 60;
/** APNs takes another token on a connection after this long. */
const MIN_USE_SECONDS = 20 * 60;

/** What the team's key says of itself. */
export interface ProviderKey {
  readonly key: KeyObject;
  readonly keyId: string;
  readonly teamId: string;
}

export interface ProviderToken {
  /** The value of the header. */
  readonly authorization: string;
  /** Unix seconds. */
  readonly issuedAt: number;
}

/**
 * The provider token of one key (`vendors` 2.3): ES256, `kid`, `iss`, `iat`; one at a time for all connections.
 *
 * APNs counts new tokens by connection: two within 20 minutes, or two in turns, and it refuses everything on that
 * connection. Every sender thread and every process has connections of its own and signs for itself, so what matters is
 * that none of these sees another token early. A new token says that it was made at the beginning of the present
 * 20 minutes, and is used until it is 50 minutes old: at least 30 minutes, and 40 from the second on. A connection that was
 * shown its present token less than 20 minutes before is left for a new one; the others go on. Whoever starts within the
 * same 20 minutes says the same `iat` and renews at the same time, so the team does not look as if it minted without
 * end. Only the signatures differ, for ECDSA has a random part: signing once for all would need the threads to talk to
 * each other, and gain nothing on any connection.
 */
export class ProviderTokens {
  readonly #key: ProviderKey;
  readonly #now: () => number;
  #token: ProviderToken | undefined;
  /** Unix seconds before which no token is replaced early. */
  #keepUntil = 0;

  /** @param now milliseconds since 1970 */
  constructor(key: ProviderKey, now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  /** The token to use now. The same object until another one takes its place. */
  current(): ProviderToken {
    const now = this.#seconds();
    const age = this.#token ? now - this.#token.issuedAt : Number.POSITIVE_INFINITY;
    // It is of the future only when the clock was put back.
    if (this.#token && age >= 0 && age < MAX_AGE_SECONDS) return this.#token;
    return this.#mint(now - (now % SLOT_SECONDS));
  }

  /**
   * APNs calls a token expired before its time.
   * @returns whether another one took its place just now: not where that has been done already, nor a short while after
   */
  replace(refused: ProviderToken): boolean {
    const now = this.#seconds();
    if (this.#token !== refused || now < this.#keepUntil) return false;
    const slot = now - (now % SLOT_SECONDS);
    this.#mint(slot > refused.issuedAt ? slot : now);
    this.#keepUntil = now + MIN_USE_SECONDS;
    return true;
  }

  /** APNs finds that there are too many tokens: this one stays for as long as it is good. */
  hold(): void {
    this.#keepUntil = this.#seconds() + MIN_USE_SECONDS;
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }

  #mint(issuedAt: number): ProviderToken {
    const { key, keyId, teamId } = this.#key;
    const unsigned = `${encodeJson({ alg: 'ES256', kid: keyId })}.${encodeJson({ iss: teamId, iat: issuedAt })}`;
    const signature = sign('sha256', Buffer.from(unsigned), { key, dsaEncoding: 'ieee-p1363' });
    this.#token = { authorization: `bearer ${unsigned}.${signature.toString('base64url')}`, issuedAt };
    return this.#token;
  }
}

/** What each connection was shown last, and since when. */
export class ShownTokens {
  readonly #clock: () => number;
  readonly #shown = new WeakMap<object, { readonly token: ProviderToken; readonly since: number }>();

  /** @param clock milliseconds; never goes back */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Whether APNs would find that a token comes too early on a connection; if not, it counts as shown. */
  isTooEarly(connection: object, token: ProviderToken): boolean {
    const last = this.#shown.get(connection);
    if (last?.token === token) return false;
    const now = this.#clock();
    if (last && now - last.since < MIN_USE_SECONDS * 1000) return true;
    this.#shown.set(connection, { token, since: now });
    return false;
  }
}

function encodeJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
