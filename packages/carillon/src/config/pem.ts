import { readFileSync } from 'node:fs';

/**
 * The text of an option that may be PEM text, PEM text in base64, or the path of a PEM file.
 * @throws in words, naming the option and never its value
 */
export function readPem(value: string, option: string): string {
  if (value.includes('-----BEGIN')) return value;
  const decoded = Buffer.from(value, 'base64').toString();
  if (decoded.includes('-----BEGIN')) return decoded;
  let text: string;
  try {
    text = readFileSync(value, 'utf8');
  } catch (error) {
    throw new Error(
      `${option} is neither PEM text, nor PEM text in base64, nor the path of a file that can be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  if (!text.includes('-----BEGIN')) throw new Error(`the file that ${option} names holds no PEM text`);
  return text;
}
