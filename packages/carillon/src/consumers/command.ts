/** A command as it came from outside: the method and its bare request. */
export interface Command {
  readonly method: string;
  readonly request: unknown;
}

/** Characters of what comes from outside that a reason or the log shows. */
export const MAX_QUOTED = 100;

/** A name or a header's value, for a reason. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_QUOTED));
}

/** Why a command can never run. */
export class BadCommandError extends Error {
  override name = 'BadCommandError';
}

/**
 * Reads the forms of consumers, section 1.1. With a method known from outside, the body is the bare request; else it is
 * `{method, payload}`, the payload an object or, as Debezium writes JSONB, a string with the request's JSON text.
 */
export function parseCommand(method: string, body: unknown): Command {
  if (method !== '') return { method, request: typeof body === 'string' ? parseText(body) : body };
  const outer = typeof body === 'string' ? parseText(body) : body;
  if (typeof outer !== 'object' || outer === null || Array.isArray(outer)) {
    throw new BadCommandError('the body is not an object {method, payload}');
  }
  const { method: inner, payload } = outer as { method?: unknown; payload?: unknown };
  if (typeof inner !== 'string' || inner === '') throw new BadCommandError('the body has no method');
  return { method: inner, request: typeof payload === 'string' ? parseText(payload) : payload };
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words quote the text, and reasons are logged.
    throw new BadCommandError('not valid JSON');
  }
}
