import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { compactVerify, type JWK } from 'jose';
import type { TokenOptions } from '../config/config.ts';
import { CURVE_ALGORITHMS, readPublicKey } from '../config/public-key.ts';
import { fillIn } from '../config/token-pattern.ts';
import type { Logger } from '../logger.ts';
import { Jwks } from './jwks.ts';

/** A token in its three parts, nothing of it verified. */
export interface SignedToken {
  readonly text: string;
  readonly head: Readonly<Record<string, unknown>>;
  /** What is signed: `head.body`. */
  readonly signed: string;
  readonly signature: string;
  /** Of the named groups of `issuer_regex` and `audience_regex`. */
  readonly values: ReadonlyMap<string, string>;
}

/** What tokens are verified with. */
export interface TokenKeys {
  /**
   * Why the signature does not hold; undefined when it does.
   * @throws KeysUnavailableError
   */
  problem(token: SignedToken, nowSeconds: number): string | undefined | Promise<string | undefined>;
}

const HASHES: ReadonlyMap<string, string> = new Map([
  ['HS256', 'sha256'],
  ['HS384', 'sha384'],
  ['HS512', 'sha512'],
]);
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512'];
/** JWK curve → the one algorithm that goes with it. */
const JWK_ALGORITHMS: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
};

/**
 * The keys that the options name. What a token says of its algorithm only chooses among those that go with a key: an
 * HMAC is never computed with a public one.
 */
export function tokenKeys(options: TokenOptions, logger: Logger): TokenKeys {
  return options.jwks_public_endpoint ? new RemoteKeys(options, logger) : new OwnKeys(options);
}

/** Keys that stand in the configuration. */
class OwnKeys implements TokenKeys {
  readonly #options: TokenOptions;
  readonly #rsa: KeyObject | undefined;
  readonly #ecdsa: KeyObject | undefined;

  constructor(options: TokenOptions) {
    this.#options = options;
    this.#rsa = options.rsa_public_key ? readPublicKey(options.rsa_public_key, 'rsa') : undefined;
    this.#ecdsa = options.ecdsa_public_key ? readPublicKey(options.ecdsa_public_key, 'ec') : undefined;
  }

  problem(token: SignedToken, nowSeconds: number): string | undefined | Promise<string | undefined> {
    const algorithm = String(token.head.alg);
    const hash = HASHES.get(algorithm);
    if (hash) return this.#hmacProblem(token, hash, nowSeconds);
    if (this.#rsa && RSA_ALGORITHMS.includes(algorithm))
      return signatureProblem(token, this.#rsa, RSA_ALGORITHMS);
    const curve = CURVE_ALGORITHMS[this.#ecdsa?.asymmetricKeyDetails?.namedCurve ?? ''];
    if (this.#ecdsa && curve === algorithm) return signatureProblem(token, this.#ecdsa, [curve]);
    return 'there is no key for its algorithm';
  }

  #hmacProblem({ signed, signature }: SignedToken, hash: string, nowSeconds: number): string | undefined {
    const { hmac_secret_key, hmac_previous_secret_key, hmac_previous_secret_key_valid_until } = this.#options;
    const given = Buffer.from(signature, 'base64url');
    const matches = (key: string) => {
      if (key === '') return false;
      const expected = createHmac(hash, key).update(signed).digest();
      return given.length === expected.length && timingSafeEqual(given, expected);
    };
    const until = hmac_previous_secret_key_valid_until || Number.POSITIVE_INFINITY;
    if (matches(hmac_secret_key) || (nowSeconds <= until && matches(hmac_previous_secret_key)))
      return undefined;
    return 'its signature does not hold';
  }
}

/** Keys that an endpoint publishes; its address may name the tenant that a token is of. */
class RemoteKeys implements TokenKeys {
  readonly #endpoint: string;
  readonly #logger: Logger;
  /** As many as the patterns list values, which the configuration bounds. */
  readonly #sets = new Map<string, Jwks>();

  constructor(options: TokenOptions, logger: Logger) {
    this.#endpoint = options.jwks_public_endpoint;
    this.#logger = logger;
  }

  async problem(token: SignedToken): Promise<string | undefined> {
    const { kid, alg } = token.head;
    if (typeof kid !== 'string' || kid === '') return 'it names no key: kid';
    const url = fillIn(this.#endpoint, token.values);
    if (url === undefined) return 'it names no tenant';
    const set = this.#sets.get(url) ?? new Jwks({ url, logger: this.#logger });
    this.#sets.set(url, set);
    const key = await set.key(kid);
    if (!key) return 'the key that it names is not in the key set';
    const allowed = algorithmsOf(key);
    return allowed.includes(String(alg))
      ? signatureProblem(token, key, allowed)
      : 'its algorithm does not go with its key';
  }
}

/** The algorithms that a published key may be used with. */
function algorithmsOf({ kty, crv, alg }: JWK): string[] {
  const fitting = kty === 'RSA' ? RSA_ALGORITHMS : [JWK_ALGORITHMS[crv ?? ''] ?? ''];
  // Both names of the algorithm are in use for Ed25519 (RFC 8037, RFC 9864).
  const named = alg === 'Ed25519' ? 'EdDSA' : alg;
  return fitting.filter((name) => name !== '' && (named === undefined || named === name));
}

async function signatureProblem(
  { text }: SignedToken,
  key: KeyObject | JWK,
  algorithms: string[],
): Promise<string | undefined> {
  try {
    await compactVerify(text, key, { algorithms });
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
      ? 'its signature does not hold'
      : 'its signature cannot be verified';
  }
}
