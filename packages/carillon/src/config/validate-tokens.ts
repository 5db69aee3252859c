import type { TokenOptions } from './config.ts';
import { readPublicKey } from './public-key.ts';
import { compilePattern, placeholderProblems } from './token-pattern.ts';

/** What is wrong with the keys and patterns of one section of tokens, in words; no key stands in them. */
export function tokenProblems(token: TokenOptions, path: string): string[] {
  const problems: string[] = [];
  for (const [key, type] of [
    ['rsa_public_key', 'rsa'],
    ['ecdsa_public_key', 'ec'],
  ] as const) {
    if (!token[key]) continue;
    try {
      readPublicKey(token[key], type);
    } catch (error) {
      problems.push(`${path}.${key} cannot be used: ${(error as Error).message}`);
    }
  }
  for (const key of ['audience', 'issuer'] as const) {
    const pattern = token[`${key}_regex`];
    if (token[key] && pattern) problems.push(`${path}.${key} and ${path}.${key}_regex exclude each other`);
    try {
      compilePattern(pattern);
    } catch (error) {
      problems.push(`${path}.${key}_regex is ${JSON.stringify(pattern)}: ${(error as Error).message}`);
    }
  }
  const endpoint = token.jwks_public_endpoint;
  if (!endpoint) return problems;
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    problems.push(
      `${path}.jwks_public_endpoint is ${JSON.stringify(endpoint)}: allowed is an http: or https: URL`,
    );
  }
  const patterns = [token.issuer_regex, token.audience_regex];
  return [
    ...problems,
    ...placeholderProblems(endpoint, patterns).map((problem) => `${path}.jwks_public_endpoint: ${problem}`),
  ];
}
