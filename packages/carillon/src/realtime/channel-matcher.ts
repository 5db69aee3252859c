import picomatch from 'picomatch';
import { badRequest } from '../errors.ts';

/**
 * Centrifugo's globs for names of channels: `*`, `?`, `[a-z]`, `[!a]` and `{a,b}`; whatever else is itself. An empty one
 * fits all.
 * @throws ApiError 107 for a range that does not end
 */
export function channelMatcher(pattern = ''): (name: string) => boolean {
  if (pattern === '') return () => true;
  if (/\[(?![^\]]+\])/.test(pattern)) throw badRequest('pattern', 'has a [ without its ]');
  const glob = flat(pattern).replaceAll('[!', '[^');
  const fits = picomatch(glob, { dot: true, bash: true, nonegate: true, noextglob: true });
  return (name) => fits(flat(name));
}

/** Names are no paths: `*` must match across slashes, too. */
function flat(text: string): string {
  return text.replaceAll('/', '\u0001');
}
