import { randomBytes } from 'node:crypto';
import { PROVIDER_NAMES, type ProviderName } from '../providers/provider.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const PATTERN = new RegExp(`^(${PROVIDER_NAMES.join('|')})-([0-7][${ALPHABET}]{25})$`);

/**
 * A new device id: `<provider>-<ULID>`, so that ids of one provider sort by time and cursors are cheap (push-api,
 * section 2). 48 bits of milliseconds, 80 random bits, in Crockford's base 32.
 */
export function newDeviceId(provider: ProviderName, now = Date.now()): string {
  let value = (BigInt(now) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`);
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = ALPHABET[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return `${provider}-${text}`;
}

/** The provider that a device id names; undefined when it is no device id at all. */
export function providerOfDeviceId(id: string): ProviderName | undefined {
  return PATTERN.exec(id)?.[1] as ProviderName | undefined;
}
