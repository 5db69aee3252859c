import { createHash, createHmac, createPrivateKey, randomBytes } from 'node:crypto';
import { explicit, integer, octetString, oid, sequence, set } from './der.ts';

const DATA = '1.2.840.113549.1.7.1';
const KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const LOCAL_KEY_ID = '1.2.840.113549.1.9.21';
const SHA256 = '2.16.840.1.101.3.4.2.1';
const ROUNDS = 2048;
const BLOCK_BYTES = 64;
const MAC_KEY = 3;

/**
 * A private key and its certificate as a PKCS#12 file (RFC 7292): the key encrypted with AES-256 (PBES2), the certificate plain, the
 * whole under an HMAC of the passphrase.
 * @param options.key PKCS#8, PEM
 * @param options.certificate DER
 */
export function createPkcs12(options: { key: string; certificate: Buffer; passphrase: string }): Buffer {
  const { certificate, passphrase } = options;
  const encryptedKey = createPrivateKey(options.key).export({
    type: 'pkcs8',
    format: 'der',
    cipher: 'aes-256-cbc',
    passphrase,
  });
  const id = createHash('sha1').update(certificate).digest();
  const contents = sequence(
    data(sequence(bag(KEY_BAG, encryptedKey, id))),
    data(
      sequence(
        bag(CERTIFICATE_BAG, sequence(oid(X509_CERTIFICATE), explicit(0, octetString(certificate))), id),
      ),
    ),
  );
  const salt = randomBytes(8);
  const mac = createHmac('sha256', deriveKey(passphrase, salt)).update(contents).digest();
  return sequence(
    integer(Buffer.of(3)),
    data(contents),
    sequence(
      sequence(sequence(oid(SHA256)), octetString(mac)),
      octetString(salt),
      integer(Buffer.of(ROUNDS >> 8, ROUNDS & 0xff)),
    ),
  );
}

function data(content: Buffer): Buffer {
  return sequence(oid(DATA), explicit(0, octetString(content)));
}

function bag(kind: string, value: Buffer, id: Buffer): Buffer {
  return sequence(oid(kind), explicit(0, value), set(sequence(oid(LOCAL_KEY_ID), set(octetString(id)))));
}

/** The key of the HMAC (RFC 7292, appendix B.2): one block of SHA-256 is enough of it. */
function deriveKey(passphrase: string, salt: Buffer): Buffer {
  const password = Buffer.from(`${passphrase}\0`, 'utf16le').swap16();
  let key = Buffer.concat([Buffer.alloc(BLOCK_BYTES, MAC_KEY), fill(salt), fill(password)]);
  for (let round = 0; round < ROUNDS; round += 1) key = createHash('sha256').update(key).digest();
  return key;
}

/** Repeated up to a whole number of blocks. */
function fill(bytes: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES, bytes);
}
