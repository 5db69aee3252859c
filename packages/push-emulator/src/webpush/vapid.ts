import { createPublicKey, verify } from 'node:crypto';

const MAX_AHEAD_SECONDS = 24 * 60 * 60;
const POINT_BYTES = 65;
export const TOO_FAR_AHEAD = 'The VAPID token expiration is too long';

export interface VapidClaims {
  readonly aud: string;
  /** Unix seconds. */
  readonly exp: number;
  readonly sub?: string;
}

export interface Vapid {
  readonly claims: VapidClaims;
  /** The signer's public key, base64url without padding. */
  readonly key: string;
}

/** Why a VAPID header was refused. `message` is for the answer's body. */
export class VapidError extends Error {
  override name = 'VapidError';
}

/**
 * Reads and checks an `Authorization: vapid t=<JWT>, k=<key>` header (RFC 8292): ES256 signature, `aud` = the endpoint's
 * origin, `exp` in the future and at most 24 hours ahead. Whether the key is the subscription's is the caller's to check.
 * @param isRightAudience whether an origin is the endpoint's
 * @param now milliseconds since the epoch
 * @throws VapidError in the words of Mozilla's service
 */
export function checkVapid(header: string, isRightAudience: (origin: string) => boolean, now: number): Vapid {
  const { token, key } = readHeader(header);
  const parts = token.split('.');
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !head || !body || !signature) throw new VapidError('InvalidToken');
  if (readJson(head).alg !== 'ES256') throw new VapidError('InvalidAlgorithm');
  const signed = verify(
    'sha256',
    Buffer.from(`${head}.${body}`),
    { key: publicKey(key), dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
  if (!signed) throw new VapidError('InvalidSignature');

  const { aud, exp, sub } = readJson(body);
  if (typeof exp !== 'number') throw new VapidError('Invalid VAPID token: Missing required exp');
  const secondsLeft = exp - now / 1000;
  if (secondsLeft <= 0) throw new VapidError('ExpiredSignature');
  if (secondsLeft > MAX_AHEAD_SECONDS) throw new VapidError(TOO_FAR_AHEAD);
  if (typeof aud !== 'string' || !isRightAudience(URL.parse(aud)?.origin ?? '')) {
    throw new VapidError('Invalid VAPID audience');
  }
  return { claims: { aud, exp, ...(typeof sub === 'string' && { sub }) }, key };
}

/** A P-256 public key in any base64 form → base64url without padding; undefined when it is none. */
export function normalizeKey(text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === POINT_BYTES && bytes[0] === 4 ? bytes.toString('base64url') : undefined;
}

function readHeader(header: string): { token: string; key: string } {
  const [, scheme = '', rest = ''] = /^\s*(\S+)\s+(.*)$/.exec(header) ?? [];
  if (scheme.toLowerCase() !== 'vapid') throw new VapidError('Unknown auth scheme');
  const fields = new Map(
    rest.split(',').map((part) => {
      const at = part.indexOf('=');
      return [
        part.slice(0, at).trim(),
        part
          .slice(at + 1)
          .trim()
          .replace(/^"|"$/g, ''),
      ] as const;
    }),
  );
  const token = fields.get('t');
  const key = normalizeKey(fields.get('k') ?? '');
  if (!token) throw new VapidError('Missing VAPID token');
  if (!key) throw new VapidError('Missing VAPID public key');
  return { token, key };
}

function publicKey(key: string) {
  const bytes = Buffer.from(key, 'base64url');
  const x = bytes.subarray(1, 33).toString('base64url');
  const y = bytes.subarray(33).toString('base64url');
  try {
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  } catch {
    throw new VapidError('InvalidKeyFormat');
  }
}

function readJson(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw new VapidError('InvalidToken');
}
