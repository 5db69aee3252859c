import { badRequest } from '../../errors.ts';

/** Deeper messages are mistakes, and would exhaust the stack. */
const MAX_DEPTH = 64;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object that a text is as JSON; undefined for anything else. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A value as error words show it, cut. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** A member that is an object, or absent. @throws ApiError 107 naming the field */
export function objectAt(
  parent: Readonly<Record<string, unknown>>,
  name: string,
  field: string,
): Record<string, unknown> | undefined {
  const value = parent[name];
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw badRequest(`${field}.${name}`, `must be an object, got ${show(value)}`);
  return value;
}

/** A map of strings to strings, or absent. @throws ApiError 107 naming the member */
export function stringsAt(
  parent: Readonly<Record<string, unknown>>,
  name: string,
  field: string,
): Record<string, string> | undefined {
  const map = objectAt(parent, name, field);
  for (const [key, value] of Object.entries(map ?? {})) {
    if (typeof value !== 'string') {
      throw badRequest(`${field}.${name}.${key}`, `must be a string, got ${show(value)}`);
    }
  }
  return map as Record<string, string> | undefined;
}

/** Refuses members that the server fills in itself. @throws ApiError 107 naming the member */
export function refuseAddresses(
  message: Readonly<Record<string, unknown>>,
  names: readonly string[],
  field: string,
): void {
  for (const name of names) {
    if (message[name] !== undefined) {
      throw badRequest(`${field}.${name}`, 'must not be given: the server fills in whom a push goes to');
    }
  }
}

/** Refuses what would exhaust the stack when it is encoded. @throws ApiError 107 naming the field */
export function checkDepth(value: unknown, field: string, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth === MAX_DEPTH) throw badRequest(field, `must be nested at most ${MAX_DEPTH} deep`);
  for (const item of Object.values(value)) checkDepth(item, field, depth + 1);
}

/** Bytes of all keys and values in UTF-8, without JSON's own signs. */
export function keyAndValueBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return String(value).length;
  let bytes = 0;
  for (const [key, item] of Object.entries(value)) {
    bytes += (Array.isArray(value) ? 0 : Buffer.byteLength(key)) + keyAndValueBytes(item);
  }
  return bytes;
}
