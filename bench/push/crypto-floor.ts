/**
 * What the cryptography of one push costs at the least with `node:crypto`, in a tight loop on one thread: a P-256 key,
 * the exchange, the key derivation of RFC 8291 §3.4, AES-128-GCM. No body is put together, nothing is sent. Run as a
 * process, it posts the median of its rounds.
 */
import { createCipheriv, createECDH, createHmac, randomBytes } from 'node:crypto';
import { medianBy } from '../support/statistics.ts';

/** Posted once. */
export interface FloorReply {
  readonly type: 'floor';
  readonly perSecond: number;
  readonly cpuMicros: number;
}

const ROUNDS = 5;
const MESSAGES = 2_000;

const exchange = createECDH('prime256v1');
const receiver = createECDH('prime256v1').generateKeys();
const auth = randomBytes(16);
const plaintext = randomBytes(Number(process.env.BENCH_PLAINTEXT_BYTES));
const contentKeyInfo = Buffer.from('Content-Encoding: aes128gcm\0\x01');
const nonceInfo = Buffer.from('Content-Encoding: nonce\0\x01');

function encryptOne(): void {
  const sender = exchange.generateKeys();
  const secret = exchange.computeSecret(receiver);
  const keyInfo = Buffer.concat([Buffer.from('WebPush: info\0'), receiver, sender, Buffer.of(1)]);
  const pseudoRandomKey = hmac(randomBytes(16), hmac(hmac(auth, secret), keyInfo));
  const contentKey = hmac(pseudoRandomKey, contentKeyInfo).subarray(0, 16);
  const nonce = hmac(pseudoRandomKey, nonceInfo).subarray(0, 12);
  const cipher = createCipheriv('aes-128-gcm', contentKey, nonce);
  cipher.update(plaintext);
  cipher.final();
  cipher.getAuthTag();
}

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function round(): { perSecond: number; cpuMicros: number } {
  const startedAt = performance.now();
  const before = process.threadCpuUsage();
  for (let n = 0; n < MESSAGES; n++) encryptOne();
  const { user, system } = process.threadCpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: MESSAGES / seconds, cpuMicros: (user + system) / MESSAGES };
}

round();
const rounds = Array.from({ length: ROUNDS }, round);
const reply: FloorReply = { type: 'floor', ...medianBy(rounds, ({ cpuMicros }) => cpuMicros) };
process.send?.(reply);
