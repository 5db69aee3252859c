import { parseArgs } from 'node:util';
import type { Suite } from './suite.ts';

export interface Arguments {
  readonly suite: Suite;
  readonly quick: boolean;
  /** Where the JSON goes. */
  readonly json: string | undefined;
  readonly flags: Readonly<Record<string, string | true>>;
}

/** Thrown for a command line that cannot be run; the message is for a person. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/**
 * Reads `<suite> [--quick] [--json FILE]` and the suite's own flags. Undefined when no suite is named.
 * @throws UsageError
 */
export function readArguments(args: readonly string[], suites: readonly Suite[]): Arguments | undefined {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help') return undefined;
  const suite = suites.find((candidate) => candidate.name === name);
  if (!suite) {
    const names = suites.map((candidate) => candidate.name).join(', ');
    throw new UsageError(`the suite comes first, one of ${names}; got ${JSON.stringify(name)}`);
  }
  const own = (suite.flags ?? []).map((flag) => [flag.name, flag.value ? 'string' : 'boolean'] as const);
  const { quick, json, ...flags } = parse(suite, rest, own);
  return {
    suite,
    quick: quick === true,
    json: json as string | undefined,
    flags: flags as Record<string, string | true>,
  };
}

function parse(
  suite: Suite,
  args: readonly string[],
  own: readonly (readonly [string, 'string' | 'boolean'])[],
): Record<string, string | boolean | undefined> {
  const all = [['quick', 'boolean'] as const, ['json', 'string'] as const, ...own];
  try {
    return parseArgs({
      args: [...args],
      options: Object.fromEntries(all.map(([name, type]) => [name, { type }])),
    }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    // Node's own words name the argument; its hint about positional arguments does not help here.
    const [words] = (error as Error).message.split('. ');
    const flags = all.map(([name, type]) => `--${name}${type === 'string' ? ' …' : ''}`).join(', ');
    throw new UsageError(`${suite.name}: ${words}. Its flags are ${flags}`);
  }
}

export function usage(suites: readonly Suite[]): string {
  const width = Math.max(...suites.map(({ name }) => name.length));
  const lines = suites.flatMap(({ name, description, flags = [] }) => [
    `  ${name.padEnd(width)}  ${description}`,
    ...flags.map((flag) => {
      const shown = `--${flag.name}${flag.value ? ` ${flag.value}` : ''}`;
      return `  ${' '.repeat(width)}    ${shown.padEnd(18)} ${flag.description}`;
    }),
  ]);
  return [
    'npm run bench -- <suite> [--quick] [--json FILE]',
    '',
    '  --quick      ends within 60 s: fewer cases, fewer rounds',
    '  --json FILE  writes {suite, machine, results} there',
    '',
    'Suites:',
    ...lines,
  ].join('\n');
}

/**
 * A flag that names some of a few things, e.g. `--modes api,outbox`, in the order of `allowed`.
 * @throws UsageError naming the flag, what is wrong and what is allowed
 */
export function listOf<T extends string>(
  suite: string,
  name: string,
  value: string | true | undefined,
  allowed: readonly T[],
  fallback: readonly T[],
): readonly T[] {
  if (value === undefined) return fallback;
  const wanted = String(value).split(',');
  const unknown = wanted.find((one) => !allowed.includes(one as T));
  if (unknown !== undefined)
    throw new UsageError(
      `${suite}: --${name} has ${JSON.stringify(unknown)}; allowed are ${allowed.join(', ')}`,
    );
  return allowed.filter((one) => wanted.includes(one));
}
