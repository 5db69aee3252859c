import { createECDH, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { VapidPair } from '../../../config/config.ts';
import { optionError } from '../option-error.ts';
import { decodeBase64 } from './base64.ts';

/** A P-256 pair as the configuration holds it: base64url of 65 bytes (uncompressed point) and of 32 bytes. */
export interface VapidKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** RFC 8292 allows 24 hours; half of it leaves room for clocks that differ. */
const TOKEN_LIFE_SECONDS = 12 * 3600;
/** Replaced at half its life, so a token that sets out is always good for hours. */
const TOKEN_REUSE_SECONDS = TOKEN_LIFE_SECONDS / 2;
/** Real push services have few origins; the bound is for allow-lists with `*`. */
const MAX_CACHED_ORIGINS = 1000;

/** A new VAPID pair (RFC 8292 §3.2). */
export function generateVapidKeys(): VapidKeys {
  const pair = createECDH('prime256v1');
  const publicKey = pair.generateKeys('base64url');
  // The private key loses its leading zeros in Node's encoding; the configuration wants all 32 bytes.
  return { publicKey, privateKey: leftPad(pair.getPrivateKey()).toString('base64url') };
}

/** Names the server to push services. One token a push service (origin), signed once and used again for hours. */
export interface VapidSigner {
  /** Base64url without padding. */
  readonly publicKey: string;
  /** The value of `Authorization` for requests to `origin`, e.g. `https://fcm.googleapis.com`. */
  authorization(origin: string): string;
}

export interface VapidOptions extends Readonly<VapidPair> {
  readonly subject: string;
}

/** The signers of all pairs that are ours. */
export interface VapidKeyRing {
  /** Whether a public key, base64url without padding, is one of ours. */
  has(publicKey: string): boolean;
  /**
   * In the order in which they are to be tried for a subscription: of the key it was made for, if that is known and ours,
   * then of the one in use, then of those before it. At least one.
   */
  signersFor(publicKey: string | undefined): readonly [VapidSigner, ...VapidSigner[]];
}

/**
 * Makes the signers of the pair in use and of the previous ones, by which a pair is changed without losing the
 * subscriptions that were made with the one before.
 *
 * @param section where the options are, for words about them
 * @throws ConfigError that names the option
 */
export function createVapidKeyRing(
  options: VapidOptions & { readonly previous_vapid_keys: readonly VapidPair[] },
  now?: () => number,
  section = 'webpush',
): VapidKeyRing {
  const { subject, previous_vapid_keys: previous } = options;
  const current = createVapidSigner(options, now, section);
  const byKey = new Map([[current.publicKey, current]]);
  for (const [index, pair] of previous.entries()) {
    const signer = createVapidSigner({ ...pair, subject }, now, `${section}.previous_vapid_keys[${index}]`);
    if (!byKey.has(signer.publicKey)) byKey.set(signer.publicKey, signer);
  }
  const usual = [...byKey.values()] as [VapidSigner, ...VapidSigner[]];
  const orders = new Map(
    usual.map((first): [string, [VapidSigner, ...VapidSigner[]]] => [
      first.publicKey,
      [first, ...usual.filter((signer) => signer !== first)],
    ]),
  );
  return {
    has: (publicKey) => byKey.has(publicKey),
    signersFor: (publicKey) => (publicKey === undefined ? usual : (orders.get(publicKey) ?? usual)),
  };
}

/**
 * Makes the signer of RFC 8292 tokens (ES256, `aud` = origin, `exp` 12 h ahead, `sub` = subject).
 *
 * @param now milliseconds since 1970; tests move it
 * @param section where the options are, for words about them
 * @throws ConfigError that names the option when a key is broken, the keys are no pair, or the subject is no contact
 */
export function createVapidSigner(
  options: VapidOptions,
  now: () => number = Date.now,
  section = 'webpush',
): VapidSigner {
  const { key, publicKey } = readKeys(options, section);
  const subject = checkSubject(options.subject, section);
  const header = encodeJson({ typ: 'JWT', alg: 'ES256' });
  const cache = new Map<string, { authorization: string; replaceAt: number }>();

  return {
    publicKey,
    authorization(origin) {
      const seconds = Math.floor(now() / 1000);
      const cached = cache.get(origin);
      if (cached && seconds < cached.replaceAt) return cached.authorization;
      const claims = encodeJson({ aud: origin, exp: seconds + TOKEN_LIFE_SECONDS, sub: subject });
      const unsigned = `${header}.${claims}`;
      const signature = sign('sha256', Buffer.from(unsigned), { key, dsaEncoding: 'ieee-p1363' });
      const authorization = `vapid t=${unsigned}.${signature.toString('base64url')}, k=${publicKey}`;
      cache.delete(origin);
      if (cache.size >= MAX_CACHED_ORIGINS) cache.delete(cache.keys().next().value!);
      cache.set(origin, { authorization, replaceAt: seconds + TOKEN_REUSE_SECONDS });
      return authorization;
    },
  };
}

function readKeys(options: Readonly<VapidPair>, section: string): { key: KeyObject; publicKey: string } {
  const publicBytes = decodeBase64(options.vapid_public_key);
  if (publicBytes?.length !== 65 || publicBytes[0] !== 0x04) {
    throw optionError(
      `${section}.vapid_public_key`,
      'must be base64url of 65 bytes, an uncompressed P-256 point',
    );
  }
  const privateBytes = decodeBase64(options.vapid_private_key);
  if (privateBytes?.length !== 32)
    throw optionError(`${section}.vapid_private_key`, 'must be base64url of 32 bytes');

  const pair = createECDH('prime256v1');
  try {
    pair.setPrivateKey(privateBytes);
  } catch {
    throw optionError(`${section}.vapid_private_key`, 'is not a private key of P-256');
  }
  if (!pair.getPublicKey().equals(publicBytes)) {
    throw optionError(`${section}.vapid_public_key`, 'does not belong to vapid_private_key');
  }
  const key = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: publicBytes.subarray(1, 33).toString('base64url'),
      y: publicBytes.subarray(33).toString('base64url'),
      d: privateBytes.toString('base64url'),
    },
  });
  return { key, publicKey: publicBytes.toString('base64url') };
}

function checkSubject(subject: string, section: string): string {
  const isContact = /^mailto:[^\s<>@]+@[^\s<>@]+$/.test(subject) || /^https:\/\/[^\s/]+/.test(subject);
  if (!isContact) {
    throw optionError(
      `${section}.subject`,
      `must be a contact such as mailto:ops@example.com or https://example.com, got ${JSON.stringify(subject)}`,
    );
  }
  return subject;
}

function encodeJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function leftPad(key: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(32 - key.length), key]);
}
