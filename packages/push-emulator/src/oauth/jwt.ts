import { type KeyObject, verify } from 'node:crypto';

/** A JSON Web Token in compact form (RFC 7519), taken apart and not yet believed. */
export interface Jwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Header and claims as they were signed. */
  readonly signed: string;
  readonly signature: Buffer;
}

/** Undefined when the text is no JWT. */
export function readJwt(text: string): Jwt | undefined {
  const parts = text.split('.');
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !head || !body || !signature) return undefined;
  const header = readJson(head);
  const claims = readJson(body);
  if (!header || !claims) return undefined;
  return { header, claims, signed: `${head}.${body}`, signature: Buffer.from(signature, 'base64url') };
}

/** Whether the signature is the key's, by RS256 or ES256 (RFC 7518, sections 3.3 and 3.4). */
export function isSignedBy(jwt: Jwt, algorithm: 'RS256' | 'ES256', key: KeyObject): boolean {
  if (jwt.header.alg !== algorithm) return false;
  return verify(
    'sha256',
    Buffer.from(jwt.signed),
    algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key,
    jwt.signature,
  );
}

function readJson(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
