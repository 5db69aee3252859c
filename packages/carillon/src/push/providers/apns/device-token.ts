import { badRequest } from '../../../errors.ts';
import type { Target } from '../provider.ts';

/** Apple promises no length; 32 bytes are usual, 80 and 100 occur (`vendors` 2.2). Bounded, because it is stored. */
const TOKEN = /^(?:[0-9a-f]{2}){8,512}$/;

/** Whether a path may be made of it. */
export function isDeviceToken(token: string): boolean {
  return TOKEN.test(token);
}

/**
 * Reads a device token as apps send it: hexadecimal digits, given back in lower case, so that a device has one form.
 * @throws ApiError 107 naming `field`
 */
export function parseDeviceToken(text: string, field: string): Target {
  const token = text.toLowerCase();
  if (!isDeviceToken(token)) {
    throw badRequest(
      field,
      `must be the device token in hexadecimal, 16 to 1024 digits (usually 64), got ${text.length} characters`,
    );
  }
  return { token };
}
