import { createCipheriv, createECDH, ECDH, randomFillSync } from 'node:crypto';
import { hmac } from './hmac.ts';

/** Largest plaintext that every push service takes: 4096 - 86 (header) - 16 (tag) - 1 (delimiter). RFC 8291 §4. */
export const MAX_PLAINTEXT_BYTES = 3993;

const CURVE = 'prime256v1';
const RECORD_SIZE = 4096;
const SALT_BYTES = 16;
const PUBLIC_KEY_BYTES = 65;
const HEADER_BYTES = SALT_BYTES + 4 + 1 + PUBLIC_KEY_BYTES;
const TAG_BYTES = 16;
const LAST_RECORD_DELIMITER = 0x02;

const IKM_INFO = Buffer.from('WebPush: info\0');
const CEK_INFO = Buffer.from('Content-Encoding: aes128gcm\0\x01');
const NONCE_INFO = Buffer.from('Content-Encoding: nonce\0\x01');

/** A subscription's keys as bytes: `p256dh` an uncompressed P-256 point (65), `auth` the shared secret (16). */
export interface SubscriptionKeys {
  readonly p256dh: Buffer;
  readonly auth: Buffer;
}

/** What is random in a message; given only by tests that compare with published vectors. */
export interface EncryptionSeed {
  /** 32 bytes. */
  readonly privateKey: Buffer;
  /** 16 bytes. */
  readonly salt: Buffer;
}

/**
 * The exchange is three quarters of the CPU that a message costs. Measured on Node 26.10, µs of CPU for a new pair plus
 * the shared secret, medians of 15 rounds that took turns (the last two: of 3 and 1):
 *
 * - one ECDH object kept, `generateKeys()` per message: 104 (chosen: the least code and garbage)
 * - `generateKeyPairSync` and `diffieHellman`, keys in by SPKI and out by JWK, or in and out as `raw-public`: 104
 * - `createECDH` per message: 112
 * - `generateKeyPairSync` with `publicKeyEncoding` SPKI, and `diffieHellman`: 147
 * - `subtle`: 384
 *
 * `generateKeys` replaces the pair, so every message still has its own (RFC 8291 §3.1).
 */
const exchange = createECDH(CURVE);

// What a message needs on the way; every one overwrites them.
const keyInfo = Buffer.concat([IKM_INFO, Buffer.alloc(2 * PUBLIC_KEY_BYTES), Buffer.of(1)]);
const [key, contentKey, nonce] = [Buffer.alloc(32), Buffer.alloc(32), Buffer.alloc(32)] as const;
const salts = Buffer.alloc(256 * SALT_BYTES);
let saltAt = salts.length;

/** What is encrypted for each subscription: a plaintext with its delimiter (RFC 8188 §2). */
export interface Padded {
  readonly bytes: Buffer;
  /** Of the request's body. */
  readonly bodyLength: number;
}

/**
 * Makes a message ready, once for all whom it goes to.
 *
 * @param plaintext at most `MAX_PLAINTEXT_BYTES`, else `RangeError`
 */
export function pad(plaintext: Uint8Array): Padded {
  if (plaintext.length > MAX_PLAINTEXT_BYTES) {
    throw new RangeError(`plaintext: must be at most ${MAX_PLAINTEXT_BYTES} bytes, got ${plaintext.length}`);
  }
  const bytes = Buffer.concat([plaintext, Buffer.of(LAST_RECORD_DELIMITER)]);
  return { bytes, bodyLength: HEADER_BYTES + bytes.length + TAG_BYTES };
}

/**
 * Encrypts one message for one subscription: RFC 8291 over the `aes128gcm` coding of RFC 8188, a single record.
 *
 * @returns the request body, 103 bytes longer than the plaintext
 * @throws when `p256dh` is no point of the curve
 */
export function encrypt(
  { bytes, bodyLength }: Padded,
  keys: SubscriptionKeys,
  seed?: EncryptionSeed,
): Buffer {
  if (seed) exchange.setPrivateKey(seed.privateKey);
  const senderPublicKey = seed ? exchange.getPublicKey() : exchange.generateKeys();
  const secret = exchange.computeSecret(keys.p256dh);
  const salt = seed ? seed.salt : nextSalt();

  // HKDF with outputs of one hash at most: extract is one HMAC, expand another. With `createHmac` a message costs 128 µs
  // instead of 117; `hkdfSync` is no faster than that and would extract the same key twice.
  keyInfo.set(keys.p256dh, IKM_INFO.length);
  keyInfo.set(senderPublicKey, IKM_INFO.length + PUBLIC_KEY_BYTES);
  hmac(keys.auth, secret, key);
  hmac(key, keyInfo, key);
  hmac(salt, key, key);
  hmac(key, CEK_INFO, contentKey);
  hmac(key, NONCE_INFO, nonce);

  const body = Buffer.allocUnsafe(bodyLength);
  body.set(salt, 0);
  body.writeUInt32BE(RECORD_SIZE, SALT_BYTES);
  body[SALT_BYTES + 4] = PUBLIC_KEY_BYTES;
  body.set(senderPublicKey, SALT_BYTES + 5);

  const cipher = createCipheriv('aes-128-gcm', contentKey.subarray(0, 16), nonce.subarray(0, 12));
  body.set(cipher.update(bytes), HEADER_BYTES);
  cipher.final();
  body.set(cipher.getAuthTag(), HEADER_BYTES + bytes.length);
  return body;
}

/** Whether 65 bytes are an uncompressed point of P-256 (RFC 8291 §3.1: `p256dh`). */
export function isCurvePoint(bytes: Buffer): boolean {
  if (bytes.length !== PUBLIC_KEY_BYTES || bytes[0] !== 0x04) return false;
  try {
    ECDH.convertKey(bytes, CURVE);
    return true;
  } catch {
    return false;
  }
}

/** A call for 16 random bytes costs as much as one for many. Each is used once. */
function nextSalt(): Buffer {
  if (saltAt === salts.length) {
    randomFillSync(salts);
    saltAt = 0;
  }
  const salt = salts.subarray(saltAt, saltAt + SALT_BYTES);
  saltAt += SALT_BYTES;
  return salt;
}
