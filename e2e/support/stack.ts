import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSecrets } from 'carillon';
import type { PushEmulator } from 'push-emulator';
import { createPostgresDatabase } from '../../packages/carillon/test/support/database.ts';
import { buildWeb, WEB_ROOT } from '../../scripts/setup/build-web.ts';
import { freePorts } from '../../scripts/setup/free-ports.ts';
import {
  CARILLON_COMMAND,
  carillonEnvironment,
  GRANDCHAT_MAIN,
  settingsFromEnvironment,
} from '../../scripts/start/settings.ts';

const READY_MS = 30_000;

/** GrandChat and Carillon as two processes on PostgreSQL. */
export interface Stack {
  /** Where people reach GrandChat. */
  readonly origin: string;
  /** As a power cut would: no goodbye, nothing finished. */
  killCarillon(): Promise<void>;
  startCarillon(): Promise<void>;
  killGrandChat(): Promise<void>;
  startGrandChat(): Promise<void>;
  close(): Promise<void>;
}

export interface StackOptions {
  /** The push service that Carillon may send to. */
  readonly emulator?: PushEmulator;
  /** A database that is there; else one of the stack's own in the tests' PostgreSQL. */
  readonly dsn?: string;
  /** Further environment of both. */
  readonly env?: NodeJS.ProcessEnv;
}

export async function startStack({ emulator, dsn, env: more }: StackOptions): Promise<Stack> {
  await buildWeb();
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const database = dsn ? { dsn, drop: async () => {} } : await createPostgresDatabase();
    closers.push(database.drop);
    const dataDir = await mkdtemp(join(tmpdir(), 'stack-'));
    closers.push(() => rm(dataDir, { recursive: true, force: true }));
    const [carillonPort, grandchatPort] = (await freePorts(2)).map(String);
    const env = {
      ...process.env,
      DATABASE_URL: database.dsn,
      CARILLON_DATA_DIR: dataDir,
      CARILLON_PORT: carillonPort,
      GRANDCHAT_PORT: grandchatPort,
      ...(emulator && (await emulatorEnvironment(emulator))),
      CARILLON_LOG_LEVEL: 'error',
      ...more,
    };
    const settings = settingsFromEnvironment(env, { webRoot: WEB_ROOT });
    await loadSecrets(dataDir);

    let grandchat: ChildProcess | undefined;
    closers.push(async () => grandchat && end(grandchat, 'SIGTERM'));
    const startGrandChat = async () => {
      const child = spawn(process.execPath, [GRANDCHAT_MAIN], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        env: {
          ...env,
          CARILLON_URL: settings.carillonUrl,
          GRANDCHAT_ORIGIN: settings.origin,
          GRANDCHAT_WEB_ROOT: settings.webRoot,
        },
      });
      grandchat = child;
      await Promise.race([once(child, 'message'), died(child, 'GrandChat')]);
    };
    await startGrandChat();

    let carillon: ChildProcess | undefined;
    closers.push(async () => carillon && end(carillon, 'SIGTERM'));
    const startCarillon = async () => {
      const child = spawn(
        process.execPath,
        [CARILLON_COMMAND, 'serve', '--config', settings.carillonConfig],
        {
          stdio: ['ignore', 'inherit', 'inherit'],
          env: carillonEnvironment(settings, env),
        },
      );
      carillon = child;
      await Promise.race([untilHealthy(settings.carillonUrl), died(child, 'Carillon')]);
    };
    await startCarillon();
    return {
      origin: settings.origin,
      startCarillon,
      killCarillon: () => end(carillon!, 'SIGKILL'),
      startGrandChat,
      killGrandChat: () => end(grandchat!, 'SIGKILL'),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function emulatorEnvironment(emulator: PushEmulator): Promise<NodeJS.ProcessEnv> {
  return {
    // Firefox's endpoints are at the emulator itself, Chromium's at hosts of Google's.
    CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: emulator.url,
    CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_EMULATOR_ADDRESS: new URL(emulator.httpsUrl).host,
    NODE_EXTRA_CA_CERTS: await emulator.caFile(),
  };
}

async function untilHealthy(url: string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url}/health gave no answer within ${READY_MS / 1000} s`);
}

async function died(child: ChildProcess, name: string): Promise<never> {
  const [code, signal] = await once(child, 'exit');
  throw new Error(`${name} ended with ${signal ?? `code ${code}`}`);
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
