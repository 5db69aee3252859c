import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { CENTRIFUGO_PATH, GO_WANTED, hasCentrifugo } from '../../scripts/setup/centrifugo.ts';

const READY_MS = 30_000;

/** A real Centrifugo, as a process of its own. */
export interface Centrifugo {
  readonly url: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** All that it has logged, over all its starts. */
  log(): string;
  /** As a power cut would: no goodbye, nothing finished. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Why tests of Centrifugo cannot run here; false when they can. */
export const withoutCentrifugo: string | false = !hasCentrifugo() && `needs ${GO_WANTED}`;

/**
 * Starts Centrifugo with a configuration file, on a port of the caller's, since it must be the same after a restart.
 * @throws with its log when it ends instead of answering
 */
export async function startCentrifugo({ file, port }: { file: string; port: number }): Promise<Centrifugo> {
  if (!existsSync(CENTRIFUGO_PATH))
    throw new Error('Centrifugo is not built: run the tests by `npm test`, whose first words say why');
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let log = '';
  const start = async () => {
    const started = spawn(CENTRIFUGO_PATH, ['--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        CENTRIFUGO_HTTP_SERVER_ADDRESS: '127.0.0.1',
        CENTRIFUGO_HTTP_SERVER_PORT: String(port),
        CENTRIFUGO_HEALTH_ENABLED: 'true',
      },
    });
    child = started;
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk: Buffer) => {
        log += chunk;
      });
    await untilHealthy(url, started, () => log);
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  await start().catch(async (error) => {
    await end('SIGKILL');
    throw error;
  });
  return {
    url,
    get pid() {
      return child?.pid as number;
    },
    log: () => log,
    start,
    kill: () => end('SIGKILL'),
    close: () => end('SIGTERM'),
  };
}

async function untilHealthy(url: string, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Centrifugo does not answer at ${url}:\n${log()}`);
}
