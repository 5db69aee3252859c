/**
 * `npm run seed`: the demo's people and rooms, and with `--scale` rooms of up to 100 000 members, in the database that `npm start`
 * uses. A second run adds what is missing.
 */
import { type Database, migrate, openDatabase, PUSH_MIGRATIONS } from 'carillon';
import {
  addScale,
  createDemo,
  DEMO_PASSWORD,
  MIGRATIONS,
  SCALE_ROOMS,
  scaleUsername,
} from 'grandchat-server';
import { readArguments, type SeedArguments, USAGE, UsageError } from './seed/arguments.ts';
import { ProgressBar } from './seed/progress-bar.ts';
import { settingsFromEnvironment } from './start/settings.ts';

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const given = readArguments(process.argv.slice(2), process.env);
    if (given.help) console.log(USAGE);
    else await seed(given);
    return 0;
  } catch (error) {
    console.error(`seed: ${wordsOf(error as NodeJS.ErrnoException)}`);
    if (error instanceof UsageError) console.error(`\n${USAGE}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function seed({ scale, users, databaseUrl }: SeedArguments): Promise<void> {
  const { dataDir } = settingsFromEnvironment(process.env, { webRoot: '' });
  const db = await openDatabase(databaseUrl ? { dsn: databaseUrl } : { dataDir });
  try {
    await migrate(db, 'grandchat', MIGRATIONS);
    await migrate(db, 'carillon', PUSH_MIGRATIONS);
    await seedDemo(db);
    if (scale) await seedScale(db, users);
  } finally {
    await db.close();
  }
}

async function seedDemo(db: Database): Promise<void> {
  const accounts = await createDemo(db);
  if (accounts.length === 0) console.log('Demo: the database has users already; nothing added.');
  else {
    const names = accounts.map(({ username }) => username).join(', ');
    console.log(`Demo: accounts ${names}, password ${DEMO_PASSWORD}.`);
  }
}

async function seedScale(db: Database, users: number): Promise<void> {
  const bar = new ProgressBar();
  const added = await addScale(db, {
    users,
    onProgress: (step, done, total) => bar.update(step, done, total),
  });
  const number = (n: number) => n.toLocaleString('en');
  const rooms = SCALE_ROOMS.map(({ name, members }) => `${name} ${number(Math.min(users, members))}`);
  console.log(
    [
      `Scale: ${number(added.users)} users and ${number(added.members)} memberships added.`,
      `Rooms and their members: ${rooms.join(', ')}.`,
      `Accounts ${scaleUsername(1)} to ${scaleUsername(users)}, password ${DEMO_PASSWORD}.`,
    ].join('\n'),
  );
}

/** What a driver says of a server that is not there is a list of errors without words. */
function wordsOf(error: NodeJS.ErrnoException): string {
  const [first] = error instanceof AggregateError ? error.errors : [error];
  const { code, message } = first as NodeJS.ErrnoException;
  if (!['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT'].includes(code ?? '')) return message || String(error);
  return `the PostgreSQL of --database-url or DATABASE_URL cannot be reached: ${message}`;
}
