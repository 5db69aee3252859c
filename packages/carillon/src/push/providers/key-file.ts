import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { optionError } from './option-error.ts';

/** Keys are a few kilobytes; more is another file. */
const MAX_BYTES = 256 * 1024;

/**
 * Reads a file with a key in it, at start.
 *
 * @param path relative to the working directory
 * @param advice what to do when it is not there, e.g. `download the key from …`
 * @throws ConfigError naming the option, the path and what to do
 */
export function readKeyFile(path: string, option: string, advice: string): Buffer {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'there is no such file'
        : `it cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
    throw optionError(option, `is ${JSON.stringify(path)}, but ${resolve(path)}: ${reason}: ${advice}`);
  }
  if (content.length > MAX_BYTES) {
    throw optionError(option, `is ${JSON.stringify(path)}: ${content.length} bytes are too many for a key`);
  }
  return content;
}
