import type { Static, TSchema } from 'typebox';

/** The way in which a call came. */
export type Protocol = 'http' | 'grpc' | 'consuming';

/** How a method is called. */
export interface Call {
  /**
   * False when nobody reads the result: then it may be left out where it is large, and what could not be done in a part is
   * thrown instead of told in it.
   */
  readonly wantsResult: boolean;
  /** Undefined where it is not counted. */
  readonly protocol?: Protocol;
}

/**
 * One method of the server API: its name in the URL, the shape of its request and what it does.
 *
 * The schema checks JSON *types* only (a wrong type is HTTP 400 before the method runs); unknown members are
 * ignored. What a value means is checked by `handle`, which throws `ApiError` (107 and the like). `handle` gives back
 * the `result` object, zero values already left out.
 */
export interface Method {
  readonly name: string;
  /** True when consumers (outbox, Kafka, …) may call it: it changes something. */
  readonly mutating: boolean;
  readonly request: TSchema;
  handle(request: never, call: Call): Promise<object>;
}

/** Declares a method with the type of its request taken from the schema. */
export function defineMethod<S extends TSchema>(method: {
  name: string;
  mutating: boolean;
  request: S;
  handle(request: Static<S>, call: Call): Promise<object>;
}): Method {
  return method as unknown as Method;
}
