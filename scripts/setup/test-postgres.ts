import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresBin } from './system-packages.ts';

/** A PostgreSQL of the test run's own: a fresh cluster in a temporary folder on a free port, gone afterwards. */
export interface TestPostgres {
  /** As superuser, to the database `postgres`. */
  readonly dsn: string;
  start(): void;
  /** Ends it as a crash would; with `keep` its data stay, to be started again. */
  stop(options?: { keep: boolean }): void;
}

/** PostgreSQL refuses to run as root, so root hands over to the user `postgres` that the package made. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const bin = postgresBin();
  if (!bin) throw new Error('no PostgreSQL server programs (initdb, pg_ctl) on this machine');
  const folder = mkdtempSync(join(tmpdir(), 'carillon-test-pg-'));
  const asRoot = process.getuid?.() === 0;
  const run = (program: string, ...args: string[]) => {
    const command = [join(bin, program), ...args];
    const [first, ...rest] = asRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command;
    execFileSync(first as string, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  if (asRoot) execFileSync('chown', ['postgres', folder]);
  const data = join(folder, 'data');
  const port = await freePort();
  run('initdb', '-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync');
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder} -c max_connections=400 -c fsync=off -c wal_level=logical -c max_replication_slots=64 -c max_wal_senders=64`;
  const start = () => run('pg_ctl', '-D', data, '-o', settings, '-l', join(folder, 'log'), '-w', 'start');
  start();
  return {
    dsn: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    start,
    stop: ({ keep } = { keep: false }) => {
      run('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop');
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
