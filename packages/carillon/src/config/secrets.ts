import { createECDH, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config.ts';

/** What a server needs to keep to itself; made at the first start. */
export interface Secrets {
  /** `http_api.key` */
  readonly apiKey: string;
  /** `client.token.hmac_secret_key` */
  readonly tokenSecret: string;
  /** Base64url: an uncompressed P-256 point and its scalar (RFC 8292). */
  readonly vapid: { readonly publicKey: string; readonly privateKey: string };
}

/**
 * Reads `<dataDir>/secrets.json`, made at the first call with mode 0600. Written beside and renamed, so that a crash
 * leaves no half of it: a lost VAPID key would cost every subscription.
 */
export async function loadSecrets(dataDir: string): Promise<Secrets> {
  const file = join(dataDir, 'secrets.json');
  const existing = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing !== undefined) return JSON.parse(existing) as Secrets;
  const secrets = makeSecrets();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(draft, file);
  return secrets;
}

/** Fills in what the configuration leaves open; what it says wins. */
export function withSecrets(config: Config, secrets: Secrets): Config {
  const { http_api, client, push_notifications: push } = config;
  const { hmac_secret_key, rsa_public_key, ecdsa_public_key, jwks_public_endpoint } = client.token;
  const hasKey = Boolean(hmac_secret_key || rsa_public_key || ecdsa_public_key || jwks_public_endpoint);
  const { webpush } = push;
  return {
    ...config,
    http_api: { ...http_api, key: http_api.key || secrets.apiKey },
    client: {
      ...client,
      token: hasKey ? client.token : { ...client.token, hmac_secret_key: secrets.tokenSecret },
    },
    push_notifications: {
      ...push,
      webpush: webpush.vapid_public_key
        ? webpush
        : {
            ...webpush,
            vapid_public_key: secrets.vapid.publicKey,
            vapid_private_key: secrets.vapid.privateKey,
          },
    },
  };
}

function makeSecrets(): Secrets {
  const pair = createECDH('prime256v1');
  pair.generateKeys();
  return {
    apiKey: randomBytes(32).toString('base64url'),
    tokenSecret: randomBytes(32).toString('base64url'),
    vapid: {
      publicKey: pair.getPublicKey('base64url'),
      // Node drops leading zero bytes of the scalar; RFC 8292 keys are 32 bytes.
      privateKey: Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()])
        .subarray(-32)
        .toString('base64url'),
    },
  };
}
