import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { freePort } from '../../../../scripts/setup/free-ports.ts';

/** A redis-server of a test's own, with its log on disk, so that it can be killed and started again. */
export interface TestRedis {
  readonly address: string;
  /** Ends it without a word, as a power cut would. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it in its tracks, connections open; `false` lets it go on. */
  pause(paused: boolean): void;
  command(...args: string[]): Promise<unknown>;
  drop(): Promise<void>;
}

/** Why tests on Redis cannot run here, as `npm test --no-install` found; false when they can. */
export const withoutRedis: string | false =
  process.env.TEST_MISSING_SERVICES?.split(',').includes('redis') === true && 'needs redis';

/**
 * `everysec`, Redis' default, may lose what was acknowledged when the process is killed: while an fsync takes its time, writes
 * wait in the process. Who kills it and counts wants `always`.
 */
export async function startRedis({
  appendfsync = 'everysec',
}: {
  appendfsync?: 'everysec' | 'always';
} = {}): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-test-redis-'));
  const port = await freePort();
  let child: ChildProcess;
  const start = async () => {
    const options = { dir: folder, port, bind: '127.0.0.1', appendonly: 'yes', appendfsync, save: '' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      let log = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        log += chunk;
        if (log.includes('Ready to accept connections')) resolve();
      });
      child.once('exit', () => reject(new Error(`redis-server ended:\n${log}`)));
      child.once('error', reject);
    });
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
  await start();
  return {
    address: `127.0.0.1:${port}`,
    kill,
    start,
    pause(paused) {
      child.kill(paused ? 'SIGSTOP' : 'SIGCONT');
    },
    async command(...args) {
      const client = createClient({ url: `redis://127.0.0.1:${port}` });
      await client.connect();
      const reply = await client.sendCommand(args);
      await client.close();
      return reply;
    },
    async drop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
