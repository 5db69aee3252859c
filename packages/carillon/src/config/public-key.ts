import { createPublicKey, type KeyObject } from 'node:crypto';

const MIN_RSA_BITS = 2_048;
/** ECDSA curve by OpenSSL's name → the one algorithm that goes with it (RFC 7518, section 3.4). */
export const CURVE_ALGORITHMS: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/**
 * Reads the public key that tokens are verified with.
 * @throws Error saying what is allowed; the key itself stands in no message
 */
export function readPublicKey(pem: string, type: 'rsa' | 'ec'): KeyObject {
  const wanted =
    type === 'rsa'
      ? `an RSA public key of ${MIN_RSA_BITS} bits or more as PEM`
      : 'an ECDSA public key on P-256, P-384 or P-521 as PEM';
  if (pem.includes('PRIVATE KEY')) throw new Error(`it is a private key: allowed is ${wanted}`);
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error(`it is no PEM that can be read: allowed is ${wanted}`);
  }
  const { asymmetricKeyType, asymmetricKeyDetails: details } = key;
  if (asymmetricKeyType !== type) throw new Error(`it is of type ${asymmetricKeyType}: allowed is ${wanted}`);
  if (type === 'rsa' && (details?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw new Error(`it has ${details?.modulusLength} bits: allowed is ${wanted}`);
  }
  if (type === 'ec' && !CURVE_ALGORITHMS[details?.namedCurve ?? '']) {
    throw new Error(`it is on the curve ${details?.namedCurve}: allowed is ${wanted}`);
  }
  return key;
}
