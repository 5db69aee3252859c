import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type ApnsClient, createCertificate, spkiOf } from './certificate.ts';

const NAME = 'Push Emulator';
const AUTHORITY_DAYS = 3650;
/** Less than what browsers accept of an authority that a person added. */
const SERVER_DAYS = 365;

/** A private key and its certificates, as PEM, for `node:tls`. */
export interface KeyAndCertificate {
  readonly key: string;
  /** The server's own, then its authority's. */
  readonly cert: string;
}

/** A certificate authority of the emulator's own. */
export interface Authority {
  /** Its certificate, as PEM: whoever trusts it trusts the emulator. */
  readonly certificate: string;
  /** A new key with a certificate for these names and addresses. */
  issue(hosts: readonly string[]): KeyAndCertificate;
  /** A new key with a certificate for a sender to APNs. */
  issueClient(client: ApnsClient): KeyAndCertificate;
}

/** Makes an authority that nobody knows yet. `key` is its private key, as PEM. */
export function createAuthority(): Authority & { readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = createCertificate({
    subject: NAME,
    publicKey,
    issuer: NAME,
    issuerKey: privateKey,
    issuerPublicKey: publicKey,
    days: AUTHORITY_DAYS,
  });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { ...authorityOf(key, certificate), key };
}

/**
 * The authority of a folder, made on first use, so that who trusts it need not be told again: `ca.pem` and `ca-key.pem`. The key can
 * sign for any name: only its owner may read it.
 * @throws when the folder has one of the two files, or files that do not fit
 */
export async function openAuthority(folder: string): Promise<Authority> {
  const certificateFile = join(resolve(folder), 'ca.pem');
  const keyFile = join(resolve(folder), 'ca-key.pem');
  const [certificate, key] = await Promise.all([certificateFile, keyFile].map(readIfThere));
  if (certificate === undefined && key === undefined) {
    const authority = createAuthority();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(keyFile, authority.key, { mode: 0o600 });
    await writeFile(certificateFile, authority.certificate);
    return authority;
  }
  if (certificate === undefined || key === undefined) {
    throw new Error(
      `${folder} has only one of ca.pem and ca-key.pem: bring the other back, or remove this one`,
    );
  }
  let isPair: boolean;
  try {
    isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new Error(`${folder}: ca.pem or ca-key.pem cannot be read: ${(error as Error).message}`);
  }
  if (!isPair) throw new Error(`${folder}: ca-key.pem is not the key of ca.pem`);
  return authorityOf(key, certificate);
}

/** What Chromium's `--ignore-certificate-errors-spki-list` takes: SHA-256 of the server's public key, base64. */
export function spkiHash({ key }: KeyAndCertificate): string {
  return createHash('sha256')
    .update(spkiOf(createPublicKey(key)))
    .digest('base64');
}

function authorityOf(keyPem: string, certificate: string): Authority {
  const issuerKey = createPrivateKey(keyPem);
  const issuerPublicKey = createPublicKey(issuerKey);
  const issuer = new X509Certificate(certificate).subject.replace(/^CN=/, '');
  const issueTo = (subject: string, options: { hosts?: readonly string[]; client?: ApnsClient }) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const own = createCertificate({
      subject,
      publicKey,
      issuer,
      issuerKey,
      issuerPublicKey,
      days: SERVER_DAYS,
      ...options,
    });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    return { key, cert: own + certificate };
  };
  return {
    certificate,
    issue: (hosts) => issueTo('push emulator', { hosts }),
    issueClient: (client) => issueTo(`Apple Push Services: ${client.topics[0]}`, { client }),
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
