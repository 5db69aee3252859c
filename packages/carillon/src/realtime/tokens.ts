import { createHmac, timingSafeEqual } from 'node:crypto';
import type { TokenOptions } from '../config/config.ts';
import { type Payload, payloadOfBytes, RawJson } from './payload.ts';

const MAX_TTL_S = 365 * 24 * 3600;
const HASHES: Record<string, string> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

/** The claims of a token that was signed by us (client-protocol, section 7). Times are unix seconds. */
export interface Claims {
  readonly user: string;
  /** When the connection or subscription expires; 0 for never. */
  readonly expireAt: number;
  readonly info: Payload | undefined;
  readonly data: Payload | undefined;
  readonly channel: string;
  readonly client: string;
  /** Server-side subscriptions: channel → its options. */
  readonly subs: ReadonlyMap<string, { info?: Payload | undefined; data?: Payload | undefined }>;
}

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly claims: Claims }
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Checks tokens signed with HS256, HS384 or HS512, by the present key or the previous one. */
export class TokenVerifier {
  readonly #options: TokenOptions;
  readonly #keys: readonly string[];

  constructor(options: TokenOptions) {
    this.#options = options;
    this.#keys = [options.hmac_secret_key, options.hmac_previous_secret_key].filter((key) => key !== '');
  }

  verify(token: string, nowSeconds = Date.now() / 1000): TokenVerdict {
    const [head, body, signature, ...rest] = token.split('.');
    if (!head || !body || !signature || rest.length > 0) return invalid('not a JWT');
    const hash = HASHES[String(parsePart(head)?.alg)];
    if (!hash) return invalid('algorithm is not HS256, HS384 or HS512');
    const given = Buffer.from(signature, 'base64url');
    const signed = this.#keys.some((key) => {
      const expected = createHmac(hash, key).update(`${head}.${body}`).digest();
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
    if (!signed) return invalid('signature');
    const claims = parsePart(body);
    if (!claims) return invalid('claims are not a JSON object');
    return this.#check(claims, nowSeconds);
  }

  #check(claims: Record<string, unknown>, now: number): TokenVerdict {
    const { audience, issuer, user_id_claim: userClaim } = this.#options;
    const { exp, nbf, expire_at, aud, iss } = claims;
    if (audience && !(Array.isArray(aud) ? aud : [aud]).includes(audience)) return invalid('audience');
    if (issuer && iss !== issuer) return invalid('issuer');
    if (!isTime(exp) || !isTime(nbf) || !isTime(expire_at)) return invalid('times must be numbers');
    if ((exp !== undefined && exp <= now) || (nbf !== undefined && nbf > now)) return { kind: 'expired' };
    const user = claims[userClaim || 'sub'] ?? '';
    if (typeof user !== 'string') return invalid('user is not a string');
    const expireAt = expire_at ?? exp ?? 0;
    return {
      kind: 'valid',
      claims: {
        user,
        expireAt: expireAt === 0 ? 0 : Math.min(expireAt, now + MAX_TTL_S),
        info: rawOf(claims, 'info'),
        data: rawOf(claims, 'data'),
        channel: typeof claims.channel === 'string' ? claims.channel : '',
        client: typeof claims.client === 'string' ? claims.client : '',
        subs: subsOf(claims),
      },
    };
  }
}

function invalid(reason: string): TokenVerdict {
  return { kind: 'invalid', reason };
}

function isTime(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isFinite(value));
}

function parsePart(part: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `info` as JSON, or `b64info` decoded. */
function rawOf(claims: Record<string, unknown>, name: 'info' | 'data'): Payload | undefined {
  const encoded = claims[`b64${name}`];
  if (typeof encoded === 'string' && encoded !== '') return payloadOfBytes(Buffer.from(encoded, 'base64'));
  return claims[name] === undefined ? undefined : RawJson.of(claims[name]);
}

function subsOf(claims: Record<string, unknown>): Claims['subs'] {
  const { subs, channels } = claims;
  if (typeof subs === 'object' && subs !== null) {
    return new Map(
      Object.entries(subs).map(([channel, options]) => {
        const claimsOfSub = (options ?? {}) as Record<string, unknown>;
        return [channel, { info: rawOf(claimsOfSub, 'info'), data: rawOf(claimsOfSub, 'data') }];
      }),
    );
  }
  if (!Array.isArray(channels)) return new Map();
  return new Map(channels.filter((channel) => typeof channel === 'string').map((channel) => [channel, {}]));
}
