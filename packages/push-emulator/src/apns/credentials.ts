import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import type { Authority } from '../certificates/authority.ts';
import { createPkcs12 } from '../certificates/pkcs12.ts';
import type { Environment } from './devices.ts';

const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** What a sender with token authentication needs: the content of the `.p8` file, and its names. */
export interface ApnsKey {
  /** PKCS#8, PEM. */
  readonly key: string;
  readonly keyId: string;
  readonly teamId: string;
  readonly bundleIds: readonly string[];
}

export interface ApnsKeyOptions {
  /** The apps that the team has; `com.example.app` when absent. */
  readonly bundleIds?: readonly string[];
  /** A new team when absent. */
  readonly teamId?: string;
  /** For this environment alone. */
  readonly environment?: Environment;
}

/** A key as APNs knows it. */
export interface ProviderKey {
  readonly publicKey: KeyObject;
  readonly teamId: string;
  readonly bundleIds: readonly string[];
  readonly environment?: Environment;
}

/** What a sender with certificate authentication needs, in both forms. */
export interface ApnsCertificate {
  /** PKCS#8, PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
  /** PKCS#12 with both. */
  readonly p12: Buffer;
  readonly passphrase: string;
}

export interface ApnsCertificateOptions {
  /** With one topic alone, senders may leave `apns-topic` out; `com.example.app` when absent. */
  readonly topics?: readonly string[];
  /** `production` when absent. */
  readonly environment?: Environment;
  /** Of the PKCS#12 file; empty when absent. */
  readonly passphrase?: string;
}

/** A client certificate as APNs knows it. */
export interface ProviderCertificate {
  readonly topics: readonly string[];
  readonly environment: Environment;
}

/** The keys and certificates that the emulator handed out. */
export class ApnsCredentials {
  readonly #keys = new Map<string, ProviderKey>();
  readonly #certificates = new Map<string, ProviderCertificate>();

  createKey({ bundleIds = ['com.example.app'], teamId = name(), environment }: ApnsKeyOptions = {}): ApnsKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyId = name();
    this.#keys.set(keyId, {
      publicKey: createPublicKey(privateKey),
      teamId,
      bundleIds,
      ...(environment && { environment }),
    });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    return { key, keyId, teamId, bundleIds };
  }

  key(keyId: unknown): ProviderKey | undefined {
    return this.#keys.get(String(keyId));
  }

  createCertificate(
    authority: Authority,
    {
      topics = ['com.example.app'],
      environment = 'production',
      passphrase = '',
    }: ApnsCertificateOptions = {},
  ): ApnsCertificate {
    const { key, cert } = authority.issueClient({ topics, environment });
    const { fingerprint256, raw } = new X509Certificate(cert);
    this.#certificates.set(fingerprint256, { topics, environment });
    return { key, cert, p12: createPkcs12({ key, certificate: raw, passphrase }), passphrase };
  }

  /** @param fingerprint SHA-256, as `node:tls` writes it */

  certificate(fingerprint: string): ProviderCertificate | undefined {
    return this.#certificates.get(fingerprint);
  }
}

/** 10 characters, as Apple's key and team IDs have. */
function name(): string {
  return Array.from(randomBytes(10), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}
