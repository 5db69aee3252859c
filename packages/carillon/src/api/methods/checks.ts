/** Checks of values that types cannot express; each throws `ApiError` 107 naming field, value and what is allowed. */
import { badRequest } from '../../errors.ts';

export const MAX_NAME_LENGTH = 255;
const MAX_LIST_LENGTH = 10_000;
const LOCALE = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/;

/** A text of 1 to `max` characters that the database can hold. */
export function requireText(value: string | undefined, field: string, max = MAX_NAME_LENGTH): string {
  if (!value) throw badRequest(field, 'is required');
  return checkText(value, field, max);
}

export function checkText(value: string, field: string, max = MAX_NAME_LENGTH): string {
  if (value.length > max) throw badRequest(field, `must be at most ${max} characters, got ${value.length}`);
  if (value.includes('\0')) throw badRequest(field, 'must not contain the character NUL');
  if (!value.isWellFormed())
    throw badRequest(field, 'must be Unicode text, without halves of surrogate pairs');
  return value;
}

/** A list of names, bounded in length; an absent one is empty. */
export function checkTexts(
  values: readonly string[] | undefined,
  field: string,
  max = MAX_LIST_LENGTH,
): readonly string[] {
  if (!values) return [];
  if (values.length > max) throw badRequest(field, `must have at most ${max} items, got ${values.length}`);
  values.forEach((value, index) => {
    checkText(value, `${field}[${index}]`);
  });
  return values;
}

export function checkChoice<T extends string>(
  value: string | undefined,
  allowed: readonly T[],
  field: string,
): T {
  const found = allowed.find((item) => item === value);
  if (found === undefined)
    throw badRequest(field, `must be one of ${allowed.join(', ')}, got ${JSON.stringify(value ?? '')}`);
  return found;
}

/** A page size: absent or 0 is `fallback`, more than `max` is `max`. */
export function checkLimit(value: number | undefined, fallback: number, max: number): number {
  if (value !== undefined && value < 0) throw badRequest('limit', `must be 0 or more, got ${value}`);
  return Math.min(value || fallback, max);
}

/** An IANA time zone, or empty. */
export function checkTimezone(value: string | undefined, field: string): string {
  if (!value) return '';
  checkText(value, field, 64);
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
  } catch {
    throw badRequest(field, `must be an IANA time zone such as Europe/Nicosia, got ${JSON.stringify(value)}`);
  }
  // Offsets are accepted by Intl, but know no daylight saving.
  if (/^[+-]/.test(value))
    throw badRequest(field, `must be an IANA time zone such as Europe/Nicosia, got ${JSON.stringify(value)}`);
  return value;
}

/** A BCP 47 language tag, or empty. */
export function checkLocale(value: string | undefined, field: string): string {
  if (!value) return '';
  if (value.length > 35 || !LOCALE.test(value)) {
    throw badRequest(
      field,
      `must be a language tag such as pt-BR, got ${JSON.stringify(value.slice(0, 40))}`,
    );
  }
  return value;
}

export function checkMeta(
  meta: Readonly<Record<string, string>> | undefined,
  field: string,
): Readonly<Record<string, string>> {
  if (!meta) return {};
  const entries = Object.entries(meta);
  if (entries.length > 64) throw badRequest(field, `must have at most 64 members, got ${entries.length}`);
  for (const [key, value] of entries) {
    checkText(key, `${field} key`, 64);
    checkText(value, `${field}.${key}`, 2048);
  }
  return meta;
}

/** Leaves out zero values, as the API's JSON does: `""`, 0, false, null, empty lists and maps. */
export function withoutZeros(value: object, keep: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).filter(([key, item]) => keep.includes(key) || !isZero(item)),
  );
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
