import { createECDH, type ECDH, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

/** No types are published for http_ece. */
const { encrypt, decrypt } = createRequire(import.meta.url)('http_ece') as {
  encrypt(body: Buffer, params: object): Buffer;
  decrypt(body: Buffer, params: object): Buffer;
};

/** The keys of a subscription that a sender needs, base64url. */
export interface SubscriptionKeys {
  /** The browser's P-256 public key. */
  readonly p256dh: string;
  /** 16 bytes. */
  readonly auth: string;
}

/** The keys of a subscription that the emulator itself holds, as a browser would. */
export interface OwnKeys {
  readonly ecdh: ECDH;
  readonly auth: Buffer;
}

export function createOwnKeys(): OwnKeys {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  return { ecdh, auth: randomBytes(16) };
}

export function publicKeysOf({ ecdh, auth }: OwnKeys): SubscriptionKeys {
  return { p256dh: ecdh.getPublicKey('base64url'), auth: auth.toString('base64url') };
}

/** A body of `aes128gcm` (RFC 8291), with a key pair of its own. */
export function encryptTo({ p256dh, auth }: SubscriptionKeys, plaintext: string): Buffer {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  return encrypt(Buffer.from(plaintext), {
    version: 'aes128gcm',
    dh: p256dh,
    privateKey: ecdh,
    salt: randomBytes(16),
    authSecret: auth,
  });
}

/**
 * What a body says: JSON where it is JSON, else text.
 * @throws when it is not encrypted to these keys
 */
export function decryptWith({ ecdh, auth }: OwnKeys, body: Buffer): unknown {
  const text = decrypt(body, { version: 'aes128gcm', privateKey: ecdh, authSecret: auth }).toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
