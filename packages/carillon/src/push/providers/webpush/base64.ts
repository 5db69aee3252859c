const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * Decodes base64url or standard base64, padded or not, as browsers and their libraries produce it.
 * @returns undefined when a character belongs to neither alphabet or the length is impossible
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (!BASE64.test(text)) return undefined;
  const digits = text.replace(/=+$/, '');
  if (digits.length % 4 === 1) return undefined;
  return Buffer.from(digits, 'base64url');
}
