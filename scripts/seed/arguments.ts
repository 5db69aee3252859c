import { parseArgs } from 'node:util';

export interface SeedArguments {
  /** Users and rooms of the tutorial's size, besides the demo's. */
  readonly scale: boolean;
  readonly users: number;
  /** Undefined for the embedded database. */
  readonly databaseUrl: string | undefined;
  readonly help: boolean;
}

/** Thrown for a command line or environment that cannot be run; the message is for a person. */
export class UsageError extends Error {
  override name = 'UsageError';
}

const DEFAULT_USERS = 100_000;
const MAX_USERS = 1_000_000;

const OPTIONS = {
  scale: { type: 'boolean' },
  users: { type: 'string' },
  'database-url': { type: 'string' },
  help: { type: 'boolean' },
} as const;

export const USAGE = `npm run seed [-- --scale [--users N]] [--database-url URL]

  without flags        three demo accounts and their rooms, if the database has no users yet
  --scale              besides: ${DEFAULT_USERS.toLocaleString('en')} users, and rooms of 100 to 100,000 of them; adds what is missing
  --users N            with --scale: how many users, 1 to ${MAX_USERS.toLocaleString('en')}
  --database-url URL   a PostgreSQL; DATABASE_URL does the same. Without either, the embedded
                       database of \`npm start\`, in CARILLON_DATA_DIR or .data`;

/** @throws UsageError naming the option, its value and what is allowed */
export function readArguments(args: readonly string[], env: NodeJS.ProcessEnv): SeedArguments {
  const { scale = false, users, help = false, 'database-url': url } = parse(args);
  if (users !== undefined && !scale) throw new UsageError('--users belongs to --scale, which is not given');
  return {
    scale,
    help,
    users: users === undefined ? DEFAULT_USERS : checkUsers(users),
    databaseUrl:
      url === undefined
        ? checkUrl('DATABASE_URL', env.DATABASE_URL || undefined)
        : checkUrl('--database-url', url),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    // Node's own words name the argument; its hint about positional arguments does not help here.
    const [words] = (error as Error).message.split('. ');
    throw new UsageError(`${words}. The options are --scale, --users N, --database-url URL and --help`);
  }
}

function checkUsers(value: string): number {
  const users = Number(value.replaceAll('_', ''));
  if (/^[\d_]+$/.test(value) && users >= 1 && users <= MAX_USERS) return users;
  throw new UsageError(
    `--users must be a whole number from 1 to ${MAX_USERS.toLocaleString('en')}, got ${JSON.stringify(value)}`,
  );
}

/** The value is not repeated: it may hold a password. */
function checkUrl(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (/^postgres(ql)?:\/\//.test(value) && URL.canParse(value)) return value;
  throw new UsageError(`${name} must be like postgresql://user:password@host:5432/name`);
}
