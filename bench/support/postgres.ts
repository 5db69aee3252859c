/** PostgreSQL for a benchmark: an empty database, on a server that really writes to disk. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openDatabase } from '../../packages/carillon/src/index.ts';
import { atExit } from '../../scripts/setup/at-exit.ts';
import { postgresBin } from '../../scripts/setup/system-packages.ts';
import { startTestPostgres } from '../../scripts/setup/test-postgres.ts';

export interface BenchPostgres {
  /** A new empty database on the server. */
  createDatabase(): Promise<{ readonly dsn: string; drop(): Promise<void> }>;
  /** Version and the settings that decide what a commit costs. */
  readonly conditions: string;
  stop(): Promise<void>;
}

/** The server that DATABASE_URL names (its user must be allowed to create databases), else one of the run's own. */
export async function startBenchPostgres(): Promise<BenchPostgres> {
  const given = process.env.DATABASE_URL;
  const own = given ? undefined : await startOwn();
  const forget = atExit(() => own?.stop());
  const dsn = given ?? (own?.dsn as string);
  return {
    conditions: await conditionsOf(dsn, given ? 'named by DATABASE_URL' : 'of the run itself'),
    async createDatabase() {
      const name = `bench_${randomBytes(6).toString('hex')}`;
      await runOnce(dsn, `CREATE DATABASE ${name}`);
      const url = new URL(dsn);
      url.pathname = `/${name}`;
      return {
        dsn: url.href,
        async drop() {
          await runOnce(dsn, `DROP DATABASE ${name} WITH (FORCE)`);
        },
      };
    },
    async stop() {
      forget();
      own?.stop();
    },
  };
}

/** The tests' server runs without fsync; here a commit must cost what it costs. */
async function startOwn(): Promise<{ dsn: string; stop(): void }> {
  const server = await startTestPostgres();
  const [row] = await runOnce<{ data_directory: string }>(server.dsn, 'SHOW data_directory');
  const { port } = new URL(server.dsn);
  const data = row?.data_directory as string;
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${join(data, '..')} -c max_connections=400 -c wal_level=logical`;
  const command = [join(postgresBin() as string, 'pg_ctl'), '-D', data, '-o', settings, '-w', 'restart'];
  const asRoot = process.getuid?.() === 0;
  const [program, ...args] = asRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command;
  execFileSync(program as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return server;
}

async function conditionsOf(dsn: string, whose: string): Promise<string> {
  const db = await openDatabase({ dsn });
  try {
    const [row] = await db.query<Record<string, string>>(
      `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
              current_setting('synchronous_commit') AS commit, current_setting('shared_buffers') AS buffers`,
    );
    return `PostgreSQL ${row?.version} ${whose}: fsync ${row?.fsync}, synchronous_commit ${row?.commit}, shared_buffers ${row?.buffers}`;
  } finally {
    await db.close();
  }
}

async function runOnce<Row = object>(dsn: string, sql: string): Promise<Row[]> {
  const db = await openDatabase({ dsn });
  try {
    return await db.query<Row>(sql);
  } finally {
    await db.close();
  }
}
