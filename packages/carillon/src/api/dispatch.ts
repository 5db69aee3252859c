import { Compile, type Validator } from 'typebox/compile';
import type { Call, Method } from './method.ts';

/** A request whose JSON has a wrong type somewhere: HTTP 400, before the method runs. */
export class RequestTypeError extends Error {
  override name = 'RequestTypeError';
}

/** Thrown for a name that no method has. */
export class UnknownMethodError extends Error {
  override name = 'UnknownMethodError';
}

interface Entry {
  readonly method: Method;
  readonly check: Validator;
}

/** All methods of the server API by name; HTTP, batch and consumers run them through here. */
export class Dispatcher {
  readonly #entries: ReadonlyMap<string, Entry>;

  constructor(methods: readonly Method[]) {
    this.#entries = new Map(
      methods.map((method) => [method.name, { method, check: Compile(method.request) }]),
    );
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Whether consumers may call it. */
  isMutating(name: string): boolean {
    return this.#entries.get(name)?.method.mutating ?? false;
  }

  /**
   * Checks the types of a parsed request and runs the method. As in Go's decoder, `null` stands for an absent member.
   * @throws UnknownMethodError, RequestTypeError, ApiError, or whatever failed inside
   */
  async dispatch(name: string, request: unknown, call: Call = { wantsResult: true }): Promise<object> {
    return this.prepare(name, request)(call);
  }

  /**
   * The same in two steps: the types are checked now, and the method runs when what comes back is called.
   * @throws UnknownMethodError, RequestTypeError
   */
  prepare(name: string, request: unknown): (call?: Call) => Promise<object> {
    const entry = this.#entries.get(name);
    if (!entry) throw new UnknownMethodError(`unknown method ${JSON.stringify(name)}`);
    let body: unknown = request ?? {};
    if (!entry.check.Check(body)) {
      body = withoutNulls(body);
      if (!entry.check.Check(body)) throw new RequestTypeError(describeTypeError(entry.check, body));
    }
    return async (call = { wantsResult: true }) => entry.method.handle(body as never, call);
  }
}

/** Members whose value is the caller's own JSON, where `null` means null. */
const OPAQUE = new Set(['data', 'info', 'params', 'payload', 'message']);

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (item === null ? item : withoutNulls(item)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      if (OPAQUE.has(key)) return [[key, item]];
      return item === null ? [] : [[key, withoutNulls(item)]];
    }),
  );
}

/** `recipient.filter.topics[1]: must be string, got a number` */
function describeTypeError(check: Validator, body: unknown): string {
  const [error] = check.Errors(body);
  if (!error) return 'request: has a wrong type';
  const parts = error.instancePath.split('/').slice(1);
  const path = parts
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
  let value = body;
  for (const part of parts) value = (value as Record<string, unknown> | undefined)?.[part];
  return `${path || 'request'}: ${error.message}, got ${nameOf(value)}`;
}

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
