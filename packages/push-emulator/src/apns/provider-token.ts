import { isSignedBy, readJwt } from '../oauth/jwt.ts';
import type { ApnsCredentials, ProviderKey } from './credentials.ts';
import type { Environment } from './devices.ts';
import type { Reason } from './reasons.ts';

const MAX_AGE_SECONDS = 3600;
const MAX_AHEAD_SECONDS = 300;
const MIN_UPDATE_MS = 20 * 60_000;

type Spoilt = 'ExpiredProviderToken' | 'TooManyProviderTokenUpdates';

/**
 * The provider tokens of one connection (vendors.md 2.3).
 *
 * Fresh: no token was accepted yet. A valid one makes its team the connection's, for good. The same token is good until it is an hour
 * old; another one is good when the last came 20 minutes before it or earlier, else the connection is spoilt: it answers
 * `TooManyProviderTokenUpdates` to everything until it closes. A token that is too old spoils it in the same way, with
 * `ExpiredProviderToken`, even for a new token. A token that is wrong in any other way changes nothing.
 */
export class ProviderTokens {
  readonly #credentials: ApnsCredentials;
  #spoiltBy: Spoilt | undefined;
  #teamId: string | undefined;
  #current:
    | { readonly text: string; readonly issuedAt: number; readonly key: ProviderKey; readonly since: number }
    | undefined;

  constructor(credentials: ApnsCredentials) {
    this.#credentials = credentials;
  }

  /** The key that signed the `authorization` header's token, or what is wrong with it. */
  check(header: string | undefined, now: number, environment: Environment): ProviderKey | Reason {
    if (this.#spoiltBy) return this.#spoiltBy;
    if (header === undefined) return 'MissingProviderToken';
    const text = /^bearer\s+(\S+)\s*$/i.exec(header)?.[1];
    if (text === undefined) return 'InvalidProviderToken';
    if (text === this.#current?.text) {
      return isTimely(this.#current.issuedAt, now) ? this.#current.key : this.#spoil('ExpiredProviderToken');
    }
    const jwt = readJwt(text);
    const key = this.#credentials.key(jwt?.header.kid);
    const { iat, iss } = jwt?.claims ?? {};
    if (
      !jwt ||
      !key ||
      typeof iat !== 'number' ||
      iss !== key.teamId ||
      !isSignedBy(jwt, 'ES256', key.publicKey)
    ) {
      return 'InvalidProviderToken';
    }
    if (this.#teamId !== undefined && this.#teamId !== key.teamId) return 'InvalidProviderToken';
    if (key.environment !== undefined && key.environment !== environment) return 'BadEnvironmentKeyInToken';
    if (!isTimely(iat, now)) return this.#spoil('ExpiredProviderToken');
    if (this.#current && now - this.#current.since < MIN_UPDATE_MS) {
      return this.#spoil('TooManyProviderTokenUpdates');
    }
    this.#teamId = key.teamId;
    this.#current = { text, issuedAt: iat, key, since: now };
    return key;
  }

  #spoil(reason: Spoilt): Spoilt {
    this.#spoiltBy = reason;
    return reason;
  }
}

function isTimely(issuedAt: number, now: number): boolean {
  const age = now / 1000 - issuedAt;
  return age <= MAX_AGE_SECONDS && age >= -MAX_AHEAD_SECONDS;
}
