import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** OWASP's parameters for scrypt: 128 MiB a hash, so few at a time. */
const COST: ScryptOptions = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };
const KEY_LENGTH = 32;
const MAX_PARALLEL = 2;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

let running = 0;
const waiting: (() => void)[] = [];

/** A salted hash to keep: `scrypt$<salt>$<key>`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return `scrypt$${salt.toString('base64url')}$${(await deriveKey(password, salt)).toString('base64url')}`;
}

/** Compares in the same time for every outcome; an unknown user costs as much as a known one. */
export async function verifyPassword(password: string, stored: string | undefined): Promise<boolean> {
  const [, salt = '', key = ''] = (stored ?? '').split('$');
  const expected = Buffer.from(key, 'base64url');
  const actual = await deriveKey(password, salt ? Buffer.from(salt, 'base64url') : Buffer.alloc(16));
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

async function deriveKey(password: string, salt: Buffer): Promise<Buffer> {
  if (running >= MAX_PARALLEL) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    // One form for what looks alike, however it was typed (RFC 8265).
    return await derive(password.normalize('NFKC'), salt, KEY_LENGTH, COST);
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}
