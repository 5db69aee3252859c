import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
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

  /** @param fingerprint SHA-256, as `node:tls` writes it */
  addCertificate(fingerprint: string, certificate: ProviderCertificate): void {
    this.#certificates.set(fingerprint, certificate);
  }

  certificate(fingerprint: string): ProviderCertificate | undefined {
    return this.#certificates.get(fingerprint);
  }
}

/** 10 characters, as Apple's key and team IDs have. */
function name(): string {
  return Array.from(randomBytes(10), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}
