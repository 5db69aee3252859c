import { setTimeout as wait } from 'node:timers/promises';
import type { JWK } from 'jose';
import type { Logger } from '../logger.ts';

/** From this age on keys are fetched anew in the background, so that a withdrawn one does not live long. */
const FRESH_MS = 5 * 60_000;
/** Older keys verify nothing: an endpoint that has been away for that long is missed. */
const MAX_AGE_MS = 3_600_000;
const TIMEOUT_MS = 3_000;
const MAX_BYTES = 262_144;
const PUBLIC_MEMBERS = ['kty', 'alg', 'crv', 'x', 'y', 'n', 'e'] as const;

/** The endpoint cannot be asked, so nobody knows whether a token is good: the client may come back. */
export class KeysUnavailableError extends Error {
  override name = 'KeysUnavailableError';
}

export interface JwksOptions {
  readonly url: string;
  readonly logger: Logger;
  /** Shortest time from one request to the next, whatever tokens say. Milliseconds. */
  readonly interval?: number;
}

/**
 * The keys of one JSON Web Key Set endpoint (RFC 7517), by key id.
 *
 * Key ids come from tokens that are not verified yet, so an unknown one costs no request of its own: all that wait share
 * the next fetch, and fetches keep their distance. A key made a moment ago is found by it, too.
 */
export class Jwks {
  readonly #options: JwksOptions;
  #keys: ReadonlyMap<string, JWK> = new Map();
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<void> | undefined;

  constructor(options: JwksOptions) {
    this.#options = options;
  }

  /** @returns undefined when the set has no such key @throws KeysUnavailableError */
  async key(id: string): Promise<JWK | undefined> {
    const age = performance.now() - this.#fetchedAt;
    const known = age < MAX_AGE_MS ? this.#keys.get(id) : undefined;
    if (known) {
      if (age > FRESH_MS) this.#refresh().catch(() => {});
      return known;
    }
    await this.#refresh();
    return this.#keys.get(id);
  }

  #refresh(): Promise<void> {
    this.#pending ??= this.#fetchInTime().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #fetchInTime(): Promise<void> {
    const { url, logger, interval = 5_000 } = this.#options;
    await wait(Math.max(0, this.#askedAt + interval - performance.now()), undefined, { ref: false });
    this.#askedAt = performance.now();
    try {
      this.#keys = await fetchKeys(url);
      this.#fetchedAt = performance.now();
    } catch (error) {
      const reason = reasonOf(error);
      logger.warn({ endpoint: URL.parse(url)?.origin, reason }, 'the key set of tokens could not be fetched');
      throw new KeysUnavailableError(reason);
    }
  }
}

async function fetchKeys(url: string): Promise<ReadonlyMap<string, JWK>> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`answered ${response.status}`);
  }
  const { keys } = parseSet(await readBounded(response));
  if (!Array.isArray(keys)) throw new Error('answered no key set: {"keys": […]}');
  return new Map(keys.flatMap(publicKey));
}

function parseSet(text: string): { keys?: unknown } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    throw new Error('answered no JSON');
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`answered more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Keys to verify signatures with, by id; what is symmetric, or private by mistake, is left out. */
function publicKey(value: unknown): [string, JWK][] {
  if (typeof value !== 'object' || value === null) return [];
  const { kid, use = 'sig', kty } = value as Record<string, unknown>;
  if (typeof kid !== 'string' || use !== 'sig') return [];
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return [];
  const members = PUBLIC_MEMBERS.map((name) => [name, (value as Record<string, unknown>)[name]]);
  return [[kid, Object.fromEntries(members.filter(([, member]) => member !== undefined)) as JWK]];
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
