import { Compile, type Validator } from 'typebox/compile';
import { API_ERRORS, ApiError } from '../errors.ts';
import type { Call, Method, Protocol } from './method.ts';

/** A request whose JSON has a wrong type somewhere: HTTP 400, before the method runs. */
export class RequestTypeError extends Error {
  override name = 'RequestTypeError';
}

/** Thrown for a name that no method has. */
export class UnknownMethodError extends Error {
  override name = 'UnknownMethodError';
}

/** What is counted of calls (server-api, section 9). */
export interface CallMetrics {
  /** A method has run; seconds. */
  observeCommand(protocol: Protocol, method: string, seconds: number): void;
  /** `error` is the code of the answer, or what could not be read. */
  countCommandError(protocol: Protocol, method: string, error: string): void;
}

const UNCOUNTED: Call = { wantsResult: true };

interface Entry {
  readonly method: Method;
  readonly check: Validator;
}

/** All methods of the server API by name; HTTP, batch and consumers run them through here. */
export class Dispatcher {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #metrics: CallMetrics | undefined;

  constructor(methods: readonly Method[], metrics?: CallMetrics) {
    this.#metrics = metrics;
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
  async dispatch(name: string, request: unknown, call: Call = UNCOUNTED): Promise<object> {
    let run: (call: Call) => Promise<object>;
    try {
      run = this.prepare(name, request);
    } catch (error) {
      this.countError(call, this.has(name) ? name : 'unknown', error);
      throw error;
    }
    return run(call);
  }

  /**
   * The same in two steps: the types are checked now, and the method runs when what comes back is called.
   * @throws UnknownMethodError, RequestTypeError, which are not counted
   */
  prepare(name: string, request: unknown): (call: Call) => Promise<object> {
    const entry = this.#entries.get(name);
    if (!entry) throw new UnknownMethodError(`unknown method ${JSON.stringify(name)}`);
    const body = typed(entry.check, request ?? {});
    return (call) => this.#run(entry.method, body, call);
  }

  /** Counts what a call was answered with instead of a result. */
  countError({ protocol }: Call, method: string, error: unknown): void {
    if (!protocol) return;
    const isType = error instanceof RequestTypeError;
    this.#metrics?.countCommandError(protocol, method, isType ? 'unmarshal' : String(codeOf(error)));
  }

  /** Counts a request whose body could not be read. */
  countUnread(protocol: Protocol, method: string): void {
    this.#metrics?.countCommandError(protocol, method, 'read_body');
  }

  async #run(method: Method, body: unknown, call: Call): Promise<object> {
    const started = performance.now();
    try {
      return await method.handle(body as never, call);
    } catch (error) {
      this.countError(call, method.name, error);
      throw error;
    } finally {
      // A batch is counted by its commands.
      if (call.protocol && method.name !== 'batch')
        this.#metrics?.observeCommand(call.protocol, method.name, (performance.now() - started) / 1000);
    }
  }
}

/** @throws RequestTypeError */
function typed(check: Validator, request: unknown): unknown {
  if (check.Check(request)) return request;
  const body = withoutNulls(request);
  if (!check.Check(body)) throw new RequestTypeError(describeTypeError(check, body));
  return body;
}

/** The code that the answer to an error has. */
function codeOf(error: unknown): number {
  if (error instanceof ApiError) return error.code;
  return (error instanceof UnknownMethodError ? API_ERRORS.notFound : API_ERRORS.internal).code;
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
