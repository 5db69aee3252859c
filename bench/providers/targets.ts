import { createECDH, createHash, randomBytes } from 'node:crypto';
import type { Target } from '../../packages/carillon/src/push/providers/provider.ts';
import type { SinkAddress, Vendor } from './messages.ts';

const KEY_PAIRS = 500;

const keyPairs = Array.from({ length: KEY_PAIRS }, () => ({
  p256dh: createECDH('prime256v1').generateKeys('base64url'),
  auth: randomBytes(16).toString('base64url'),
}));

/** Addresses as long as the real ones, all different. */
export function targetsOf(vendor: Vendor, sink: SinkAddress, from: number, count: number): Target[] {
  const make: Record<Vendor, (n: number) => Target> = {
    fcm: (n) => ({ token: `dHIoDxE7Hdg:APA91b${String(n).padStart(134, 'x')}` }),
    apns: (n) => ({ token: createHash('sha256').update(String(n)).digest('hex') }),
    hms: (n) => ({ token: `IQAAAACy0${String(n).padStart(121, 'A')}` }),
    webpush: (n) => ({
      token: `${sink.url}/wpush/v2/${String(n).padStart(150, 'x')}`,
      keys: keyPairs[n % KEY_PAIRS] as NonNullable<Target['keys']>,
    }),
  };
  return Array.from({ length: count }, (_, n) => make[vendor](from + n));
}
