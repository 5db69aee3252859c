import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/setup/free-ports.ts';

const START = join(import.meta.dirname, '..', '..', 'scripts', 'start.ts');
const READY = /Ready after [\d.]+ s/;

export interface App {
  readonly origin: string;
  readonly carillonUrl: string;
  readonly dataDir: string;
  readonly process: ChildProcess;
  /** All that it has printed so far. */
  output(): string;
  /** Stops it; with `keep` the data stay for another start by `dataDir`. */
  close(options?: { keep?: boolean }): Promise<void>;
}

export interface AppOptions {
  /** Folder of an earlier start; a fresh temporary one when absent. */
  dataDir?: string;
  databaseUrl?: string;
  ports?: { grandchat: number; carillon: number };
  env?: Record<string, string>;
}

/** Starts GrandChat and Carillon as a stranger would, by `npm start`'s script, on free ports. */
export async function startApp(options: AppOptions = {}): Promise<App> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'grandchat-'));
  const ports = options.ports ?? { grandchat: await freePort(), carillon: await freePort() };
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [START], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...env,
      GRANDCHAT_PORT: String(ports.grandchat),
      CARILLON_PORT: String(ports.carillon),
      CARILLON_DATA_DIR: dataDir,
      ...(options.databaseUrl && { DATABASE_URL: options.databaseUrl }),
      ...options.env,
    },
  });
  const exited = once(child, 'exit');
  let output = '';
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk;
        if (READY.test(output)) resolve();
      });
    }
  });
  const close: App['close'] = async ({ keep = false } = {}) => {
    child.kill('SIGTERM');
    await exited;
    if (!keep) rmSync(dataDir, { recursive: true, force: true });
  };
  await Promise.race([
    ready,
    exited.then(([code]) => {
      throw new Error(`npm start ended with code ${code}:\n${output}`);
    }),
  ]);
  return {
    origin: `http://localhost:${ports.grandchat}`,
    carillonUrl: `http://localhost:${ports.carillon}`,
    dataDir,
    process: child,
    output: () => output,
    close,
  };
}
