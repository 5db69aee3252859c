/**
 * What the cryptography of one push costs at the least with `node:crypto`, in a tight loop on one thread: a P-256 key,
 * the exchange, the key derivation of RFC 8291 §3.4, AES-128-GCM. No body is put together, nothing is sent. Twice: as one
 * would write it, with the functions that are there for it; and as cheap as it goes: the object of the exchange is kept, and
 * HMAC is made of `hash()`, which costs less than half of `createHmac`. It runs as a process, and measures both when asked.
 */
import { createCipheriv, createECDH, hash, hkdfSync, randomBytes } from 'node:crypto';

export interface Cost {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

export interface FloorRequest {
  readonly type: 'measure';
}

export interface FloorReply {
  readonly type: 'floor';
  readonly plain: Cost;
  readonly cheapest: Cost;
}

const WARM_UP_ROUNDS = 2;
const MESSAGES = 1_500;

const BLOCK = 64;
const exchange = createECDH('prime256v1');
const receiver = createECDH('prime256v1').generateKeys();
const auth = randomBytes(16);
const plaintext = randomBytes(Number(process.env.BENCH_PLAINTEXT_BYTES));
const contentKeyInfo = Buffer.from('Content-Encoding: aes128gcm\0\x01');
const nonceInfo = Buffer.from('Content-Encoding: nonce\0\x01');
const keyInfo = Buffer.concat([Buffer.from('WebPush: info\0'), receiver, Buffer.alloc(65), Buffer.of(1)]);
const salts = randomBytes(4096);
const [key, contentKey, nonce] = [Buffer.alloc(32), Buffer.alloc(32), Buffer.alloc(32)];
const inner = Buffer.alloc(BLOCK + keyInfo.length);
const outer = Buffer.alloc(BLOCK + 32);

function encryptPlainly(): void {
  const pair = createECDH('prime256v1');
  const publicKey = pair.generateKeys();
  const secret = pair.computeSecret(receiver);
  const salt = randomBytes(16);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), receiver, publicKey]);
  const shared = hkdfSync('sha256', secret, auth, info, 32);
  const contentKey = hkdfSync('sha256', shared, salt, 'Content-Encoding: aes128gcm\0', 16);
  const nonce = hkdfSync('sha256', shared, salt, 'Content-Encoding: nonce\0', 12);
  const cipher = createCipheriv('aes-128-gcm', Buffer.from(contentKey), Buffer.from(nonce));
  cipher.update(plaintext);
  cipher.final();
  cipher.getAuthTag();
}

function encryptCheaply(n: number): void {
  keyInfo.set(exchange.generateKeys(), keyInfo.length - 66);
  const secret = exchange.computeSecret(receiver);
  const salt = salts.subarray((n % 256) * 16, (n % 256) * 16 + 16);
  hmac(auth, secret, key);
  hmac(key, keyInfo, key);
  hmac(salt, key, key);
  hmac(key, contentKeyInfo, contentKey);
  hmac(key, nonceInfo, nonce);
  const cipher = createCipheriv('aes-128-gcm', contentKey.subarray(0, 16), nonce.subarray(0, 12));
  cipher.update(plaintext);
  cipher.final();
  cipher.getAuthTag();
}

/** RFC 2104 with SHA-256 and a key of one block at most. */
function hmac(secret: Buffer, data: Buffer, into: Buffer): void {
  inner.fill(0x36, 0, BLOCK);
  outer.fill(0x5c, 0, BLOCK);
  for (let at = 0; at < secret.length; at++) {
    const byte = secret[at] as number;
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  }
  inner.set(data, BLOCK);
  outer.write(hash('sha256', inner.subarray(0, BLOCK + data.length), 'latin1'), BLOCK, 'latin1');
  into.write(hash('sha256', outer, 'latin1'), 'latin1');
}

function measure(encryptOne: (n: number) => void): Cost {
  const startedAt = performance.now();
  const before = process.threadCpuUsage();
  for (let n = 0; n < MESSAGES; n++) encryptOne(n);
  const { user, system } = process.threadCpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: MESSAGES / seconds, cpuMicros: (user + system) / MESSAGES };
}

process.on('message', () => {
  const reply: FloorReply = {
    type: 'floor',
    plain: measure(encryptPlainly),
    cheapest: measure(encryptCheaply),
  };
  process.send?.(reply);
});
process.on('disconnect', () => process.exit());
for (const encryptOne of [encryptPlainly, encryptCheaply]) {
  for (let n = 0; n < WARM_UP_ROUNDS; n++) measure(encryptOne);
}
