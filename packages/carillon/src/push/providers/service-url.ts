import { optionError } from './option-error.ts';

/** This machine, or a name without a dot: a neighbour in a container network. */
const NEAR_HOST = /^(127(\.\d{1,3}){3}|\[::1\]|[^.:[\]]+)$/;

/**
 * Reads the URL of a vendor's service or of a stand-in. Credentials go there, so plain http is for near hosts only.
 * @throws ConfigError naming the option
 */
export function readServiceUrl(value: string, option: string): URL {
  const url = URL.parse(value);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.hash) {
    throw optionError(option, `is ${JSON.stringify(value)}: allowed is an https URL`);
  }
  if (url.protocol === 'http:' && !NEAR_HOST.test(url.hostname)) {
    throw optionError(
      option,
      `is ${JSON.stringify(value)}: allowed is an https URL; plain http only on this machine (http://127.0.0.1:8090)`,
    );
  }
  return url;
}

/** The path of a URL without its last slash, to put a resource's path behind. */
export function pathPrefix(url: URL): string {
  return url.pathname.replace(/\/+$/, '');
}
