import { isRecord } from './commands.ts';

/** Whether a publication with these tags is wanted. */
export type TagsFilter = (tags: Readonly<Record<string, string>>) => boolean;

const MAX_DEPTH = 32;

/** Comparisons with one value. A tag that is not there fails them all. */
const TESTS: Readonly<Record<string, (value: string) => (tag: string) => boolean>> = {
  eq: (value) => (tag) => tag === value,
  sw: (value) => (tag) => tag.startsWith(value),
  ew: (value) => (tag) => tag.endsWith(value),
  ct: (value) => (tag) => tag.includes(value),
  lt: ordered((order) => order < 0),
  lte: ordered((order) => order <= 0),
  gt: ordered((order) => order > 0),
  gte: ordered((order) => order >= 0),
};

/**
 * Reads `tf` of a subscribe request (client-protocol, section 12): a leaf `{key, cmp, val | vals}`, or `{op, nodes}` with
 * `and`, `or` or `not`. Undefined when it is not a filter.
 */
export function readTagsFilter(node: unknown, depth = 0): TagsFilter | undefined {
  if (!isRecord(node) || depth > MAX_DEPTH) return undefined;
  const { op = '', nodes = [] } = node;
  if (op === '') return readLeaf(node);
  if (!Array.isArray(nodes)) return undefined;
  const filters: TagsFilter[] = [];
  for (const item of nodes) {
    const filter = readTagsFilter(item, depth + 1);
    if (!filter) return undefined;
    filters.push(filter);
  }
  const [first] = filters;
  if (!first) return undefined;
  if (op === 'and') return (tags) => filters.every((filter) => filter(tags));
  if (op === 'or') return (tags) => filters.some((filter) => filter(tags));
  if (op === 'not' && filters.length === 1) return (tags) => !first(tags);
  return undefined;
}

function readLeaf({ key, cmp, val = '', vals = [] }: Record<string, unknown>): TagsFilter | undefined {
  if (typeof key !== 'string' || key === '' || typeof cmp !== 'string') return undefined;
  if (typeof val !== 'string' || !Array.isArray(vals) || vals.some((item) => typeof item !== 'string'))
    return undefined;
  const tagOf = (tags: Readonly<Record<string, string>>) =>
    Object.hasOwn(tags, key) ? tags[key] : undefined;
  const set = new Set<string | undefined>(vals);
  switch (cmp) {
    case 'ex':
      return (tags) => tagOf(tags) !== undefined;
    case 'nex':
      return (tags) => tagOf(tags) === undefined;
    case 'neq':
      return (tags) => tagOf(tags) !== val;
    case 'in':
      return (tags) => set.has(tagOf(tags));
    case 'nin':
      return (tags) => !set.has(tagOf(tags));
  }
  const test = Object.hasOwn(TESTS, cmp) ? TESTS[cmp]?.(val) : undefined;
  if (!test) return undefined;
  return (tags) => {
    const tag = tagOf(tags);
    return tag !== undefined && test(tag);
  };
}

/** Compares decimals of any length exactly; what is none compares with nothing. */
function ordered(accepts: (order: number) => boolean) {
  return (value: string) => {
    const wanted = readDecimal(value);
    return (tag: string) => {
      const given = readDecimal(tag);
      return given !== undefined && wanted !== undefined && accepts(compare(given, wanted));
    };
  };
}

/** Without leading and trailing zeros. */
interface Decimal {
  readonly isNegative: boolean;
  readonly whole: string;
  readonly fraction: string;
}

function readDecimal(text: string): Decimal | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
  if (!match) return undefined;
  const [, sign, digits = '', decimals = ''] = match;
  if (digits === '' && decimals === '') return undefined;
  let start = 0;
  while (digits[start] === '0') start += 1;
  let end = decimals.length;
  while (decimals[end - 1] === '0') end -= 1;
  const whole = digits.slice(start);
  const fraction = decimals.slice(0, end);
  return { isNegative: sign === '-' && whole + fraction !== '', whole, fraction };
}

/** Below 0 when `a` is less than `b`. */
function compare(a: Decimal, b: Decimal): number {
  if (a.isNegative !== b.isNegative) return a.isNegative ? -1 : 1;
  const order = a.whole.length - b.whole.length || byText(a.whole, b.whole) || byText(a.fraction, b.fraction);
  return a.isNegative ? -order : order;
}

function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
