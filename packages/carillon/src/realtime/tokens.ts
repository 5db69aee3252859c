import type { TokenOptions } from '../config/config.ts';
import { compilePattern } from '../config/token-pattern.ts';
import type { Logger } from '../logger.ts';
import { ClaimError, type Claims, type Members, numberOf, readClaims } from './claims.ts';
import { KeysUnavailableError } from './jwks.ts';
import { type TokenKeys, tokenKeys } from './token-keys.ts';

/** As long as a frame of the default size; a longer one is not even looked at. */
const MAX_LENGTH = 65_536;

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly claims: Claims }
  | { readonly kind: 'expired' }
  /** The keys cannot be had right now: nothing is known of the token. */
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Checks tokens: signature, who issued it for whom, times, claims. */
export class TokenVerifier {
  readonly #options: TokenOptions;
  readonly #keys: TokenKeys;
  readonly #audience: RegExp | undefined;
  readonly #issuer: RegExp | undefined;
  /** Who issues tokens writes the same head on all: the last one needs no parsing. */
  #lastHead: { readonly text: string; readonly head: Members } = { text: '', head: {} };

  constructor(options: TokenOptions, logger: Logger) {
    this.#options = options;
    this.#keys = tokenKeys(options, logger);
    this.#audience = options.audience_regex ? compilePattern(options.audience_regex) : undefined;
    this.#issuer = options.issuer_regex ? compilePattern(options.issuer_regex) : undefined;
  }

  async verify(text: string, nowSeconds = Date.now() / 1000): Promise<TokenVerdict> {
    if (text.length > MAX_LENGTH) return invalid(`it is longer than ${MAX_LENGTH} characters`);
    const [headPart, bodyPart, signature, ...rest] = text.split('.');
    if (!headPart || !bodyPart || !signature || rest.length > 0) return invalid('it is no JWT');
    // Decoding passes over what is no base64url; head and body are signed as they are written.
    if (Buffer.from(signature, 'base64url').toString('base64url') !== signature)
      return invalid('it is no JWT');
    const head = this.#parseHead(headPart);
    const claims = parsePart(bodyPart);
    if (!head || !claims) return invalid('it is no JWT');
    // Extensions that change what is signed; none is known here (RFC 7515, section 4.1.11).
    if (head.crit !== undefined) return invalid('it has a critical extension');
    const values = this.#patternValues(claims);
    if (!values) return invalid('it is of another issuer or for another audience');
    const signed = text.slice(0, headPart.length + 1 + bodyPart.length);
    try {
      const pending = this.#keys.problem({ text, head, signed, signature, values }, nowSeconds);
      const problem = typeof pending === 'object' ? await pending : pending;
      return problem ? invalid(problem) : this.#check(claims, nowSeconds);
    } catch (error) {
      if (error instanceof KeysUnavailableError) return { kind: 'unavailable' };
      if (error instanceof ClaimError) return invalid(error.message);
      throw error;
    }
  }

  #parseHead(text: string): Members | undefined {
    if (text === this.#lastHead.text) return this.#lastHead.head;
    const head = parsePart(text);
    if (head) this.#lastHead = { text, head };
    return head;
  }

  #check(claims: Members, now: number): TokenVerdict {
    const { audience, issuer, user_id_claim: userClaim } = this.#options;
    if (audience && !audiencesOf(claims).includes(audience)) return invalid('it is for another audience');
    if (issuer && claims.iss !== issuer) return invalid('it is of another issuer');
    const expiresAt = numberOf(claims, 'exp');
    const notBefore = numberOf(claims, 'nbf');
    if ((expiresAt !== undefined && expiresAt <= now) || (notBefore !== undefined && notBefore > now))
      return { kind: 'expired' };
    return { kind: 'valid', claims: readClaims(claims, userClaim, now) };
  }

  /** What the named groups of the patterns match; undefined when a pattern does not match. */
  #patternValues(claims: Members): ReadonlyMap<string, string> | undefined {
    if (!this.#issuer && !this.#audience) return NO_VALUES;
    const groups: Record<string, string>[] = [];
    if (this.#issuer) {
      const match = this.#issuer.exec(typeof claims.iss === 'string' ? claims.iss : '');
      if (!match) return undefined;
      groups.push(match.groups ?? {});
    }
    if (this.#audience) {
      const pattern = this.#audience;
      const match = audiencesOf(claims)
        .map((audience) => pattern.exec(audience))
        .find((found) => found !== null);
      if (!match) return undefined;
      groups.push(match.groups ?? {});
    }
    return new Map(groups.flatMap((group) => Object.entries(group)));
  }
}

const NO_VALUES: ReadonlyMap<string, string> = new Map();

function audiencesOf({ aud }: Members): string[] {
  return (Array.isArray(aud) ? aud : [aud]).filter((item) => typeof item === 'string');
}

function invalid(reason: string): TokenVerdict {
  return { kind: 'invalid', reason };
}

function parsePart(part: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
