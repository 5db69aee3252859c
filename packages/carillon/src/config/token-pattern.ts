/**
 * `issuer_regex` and `audience_regex`, whose named groups fill in `{{name}}` of `jwks_public_endpoint`. What fills an address
 * comes from a token that nobody has verified yet, so such a group must list its values: `(?P<tenant>one|two)`.
 */
const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;
const LISTED = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)*$/;

/** A regular expression as Go or JavaScript writes it. @throws SyntaxError */
export function compilePattern(pattern: string): RegExp {
  return new RegExp(pattern.replaceAll('(?P<', '(?<'));
}

/** The address with its placeholders filled in; undefined when one has no value. */
export function fillIn(endpoint: string, values: ReadonlyMap<string, string>): string | undefined {
  let complete = true;
  const filled = endpoint.replaceAll(PLACEHOLDER, (_, name: string) => {
    const value = values.get(name);
    if (value === undefined) complete = false;
    return value ?? '';
  });
  return complete ? filled : undefined;
}

/** Why these patterns may not fill in this address; empty when they may. */
export function placeholderProblems(endpoint: string, patterns: readonly string[]): string[] {
  return [...endpoint.matchAll(PLACEHOLDER)].flatMap(([whole, name = '']) => {
    const listed = patterns.some((pattern) => {
      const group = pattern.split('(?P<').join('(?<').split(`(?<${name}>`)[1];
      return group !== undefined && LISTED.test(group.slice(0, group.indexOf(')')));
    });
    return listed
      ? []
      : [
          `${whole} must be a named group of issuer_regex or audience_regex that lists its values: (?P<${name}>one|two)`,
        ];
  });
}
