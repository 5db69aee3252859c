import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { atExit, exitOnSignals } from './at-exit.ts';
import { freePort } from './free-ports.ts';
import { postgresBin } from './system-packages.ts';

/** A PostgreSQL of the test run's own: a fresh cluster in a temporary folder on a free port, gone afterwards. */
export interface TestPostgres {
  /** As superuser, to the database `postgres`. */
  readonly dsn: string;
  start(): void;
  /** Ends it as a crash would; with `keep` its data stay, to be started again. */
  stop(options?: { keep: boolean }): void;
  /** SIGKILL for all its processes, as when a machine loses power; its data stay, to be started again. */
  kill(): Promise<void>;
}

/**
 * PostgreSQL refuses to run as root, so root hands over to the user `postgres` that the package made.
 * @param extra settings such as `wal_level=replica`, laid over the usual ones
 */
export async function startTestPostgres(extra: readonly string[] = []): Promise<TestPostgres> {
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
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    'max_connections=400',
    'fsync=off',
    'wal_level=logical',
    'max_replication_slots=64',
    'max_wal_senders=64',
    ...extra,
  ]
    .map((setting) => `-c ${setting}`)
    .join(' ');
  const start = () => run('pg_ctl', '-D', data, '-o', settings, '-l', join(folder, 'log'), '-w', 'start');
  const stopServer = () => run('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const stopAtExit = () =>
    atExit(() => {
      try {
        stopServer();
      } finally {
        remove();
      }
    });
  start();
  // A run that is broken off leaves no server behind.
  exitOnSignals();
  let forget = stopAtExit();
  return {
    dsn: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    start() {
      start();
      forget = stopAtExit();
    },
    stop: ({ keep } = { keep: false }) => {
      forget();
      stopServer();
      if (!keep) remove();
    },
    async kill() {
      forget();
      const file = join(data, 'postmaster.pid');
      const first = Number(readFileSync(file, 'utf8').split('\n')[0]);
      // Stopped at first, so that it has no more children than are seen.
      process.kill(first, 'SIGSTOP');
      const children = readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').trim().split(' ');
      const pids = [first, ...children.map(Number)].filter((pid) => pid > 0);
      for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
      while (pids.some(isAlive)) await setTimeout(10);
      // Dead processes that nobody has asked for would pass for a running server.
      rmSync(file);
      rmSync(join(folder, `.s.PGSQL.${port}.lock`), { force: true });
    },
  };
}

/** A process that has ended and that nobody has asked for yet is not alive. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
