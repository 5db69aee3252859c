import type { Violation } from './errors.ts';

/**
 * Reads JSON as Google's gateway reads it into a protocol buffer: names in snake_case or lowerCamelCase, null for "not
 * there", every other mismatch named with its place. Only as much of it as FCM's messages need.
 */
export type Shape =
  | 'string'
  | 'bool'
  | 'int32'
  | 'float'
  /** Seconds with `s`: `"3.5s"`. */
  | 'duration'
  | 'timestamp'
  /** An object of any content. */
  | 'struct'
  /** string → string. */
  | 'map'
  | { readonly enumeration: string; readonly values: readonly string[] }
  | { readonly repeated: Shape }
  | { readonly type: string; readonly fields: Readonly<Record<string, Shape>> };

/** The value with names in snake_case; what is wrong is added to `violations`. */
export function readProto(value: unknown, shape: Shape, path: string, violations: Violation[]): unknown {
  const mismatch = (type: string): undefined => {
    const description = `Invalid value at '${path}' (${type}), ${shown(value)}`;
    violations.push({ field: path, description });
  };
  if (typeof shape === 'string') return readScalar(value, shape, path, violations, mismatch);
  if ('repeated' in shape) {
    if (!Array.isArray(value)) return mismatch('repeated field');
    return value.map((item, index) => readProto(item, shape.repeated, `${path}[${index}]`, violations));
  }
  if ('enumeration' in shape) {
    const name = typeof value === 'string' ? value.toUpperCase() : shape.values[value as number];
    return name !== undefined && shape.values.includes(name) ? name : mismatch(typeUrl(shape.enumeration));
  }
  if (!isObject(value)) return mismatch(typeUrl(shape.type));
  const read: Record<string, unknown> = {};
  for (const [given, item] of Object.entries(value)) {
    const name = snakeCase(given);
    const field = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
    if (!field) {
      const place = path === '' ? '' : ` at '${path}'`;
      const description = `Invalid JSON payload received. Unknown name "${given.slice(0, 100)}"${place}: Cannot find field.`;
      violations.push({ field: path, description });
    } else if (item !== null) {
      read[name] = readProto(item, field, path === '' ? name : `${path}.${name}`, violations);
    }
  }
  return read;
}

function readScalar(
  value: unknown,
  shape: Extract<Shape, string>,
  path: string,
  violations: Violation[],
  mismatch: (type: string) => undefined,
): unknown {
  switch (shape) {
    case 'string':
      return typeof value === 'string' ? value : mismatch('TYPE_STRING');
    case 'bool':
      return typeof value === 'boolean' ? value : mismatch('TYPE_BOOL');
    case 'int32':
      return Number.isInteger(Number(value)) && (typeof value === 'number' || typeof value === 'string')
        ? Number(value)
        : mismatch('TYPE_INT32');
    case 'float':
      return typeof value === 'number' ? value : mismatch('TYPE_FLOAT');
    case 'duration':
      return typeof value === 'string' && /^-?\d{1,12}(\.\d{1,9})?s$/.test(value)
        ? value
        : mismatch('type.googleapis.com/google.protobuf.Duration');
    case 'timestamp':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value))
        ? value
        : mismatch('type.googleapis.com/google.protobuf.Timestamp');
    case 'struct':
      return isObject(value) ? value : mismatch('type.googleapis.com/google.protobuf.Struct');
    case 'map': {
      if (!isObject(value)) return mismatch('TYPE_MESSAGE');
      for (const [index, item] of Object.values(value).entries()) {
        if (typeof item !== 'string') readProto(item, 'string', `${path}[${index}].value`, violations);
      }
      return value;
    }
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function typeUrl(name: string): string {
  return `type.googleapis.com/google.firebase.fcm.v1.${name}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? '').slice(0, 200);
}
