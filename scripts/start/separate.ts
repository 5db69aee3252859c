import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadConfig, loadSecrets } from 'carillon';
import type { DemoAccount, Running } from './embedded.ts';
import {
  CARILLON_COMMAND,
  carillonEnvironment,
  firebaseWarning,
  GRANDCHAT_MAIN,
  type StartSettings,
} from './settings.ts';

const READY_TIMEOUT_MS = 60_000;

/** What GrandChat's process sends once it listens. */
interface ReadyMessage {
  ready: true;
  demoAccounts: DemoAccount[];
}

/** Two processes on PostgreSQL. When one ends by itself, the other is stopped too. */
export async function runSeparately(settings: StartSettings, databaseUrl: string): Promise<Running> {
  // Made here, before both read them.
  await loadSecrets(settings.dataDir);
  // Carillon's process says by itself what it thinks of its configuration.
  const { config } = await loadConfig({
    file: settings.carillonConfig,
    env: carillonEnvironment(settings, process.env),
  });
  const warning = firebaseWarning(process.env, config.push_notifications.enabled_providers);
  if (warning) console.warn(`Warning: ${warning}`);
  const grandchat = spawn(process.execPath, [GRANDCHAT_MAIN], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      CARILLON_DATA_DIR: settings.dataDir,
      CARILLON_URL: settings.carillonUrl,
      GRANDCHAT_ORIGIN: settings.origin,
      GRANDCHAT_PORT: String(settings.grandchatPort),
      GRANDCHAT_WEB_ROOT: settings.webRoot,
      GRANDCHAT_DEMO: 'true',
    },
  });
  const children: ChildProcess[] = [grandchat];
  try {
    // GrandChat first: it makes the outbox table that Carillon's consumer reads.
    const { demoAccounts } = await readyMessage(grandchat);
    const carillon = spawn(
      process.execPath,
      [CARILLON_COMMAND, 'serve', '--config', settings.carillonConfig],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: carillonEnvironment(settings, process.env),
      },
    );
    children.push(carillon);
    const ended = Promise.race([endOf(grandchat, 'GrandChat'), endOf(carillon, 'Carillon')]);
    await Promise.race([
      untilHealthy(settings.carillonUrl),
      ended.then((words) => Promise.reject(new Error(words))),
    ]);
    ended.then(() => stop(children));
    return { demoAccounts, ended, close: () => stop(children) };
  } catch (error) {
    await stop(children);
    throw error;
  }
}

async function readyMessage(child: ChildProcess): Promise<ReadyMessage> {
  const [message] = await Promise.race([
    once(child, 'message') as Promise<[ReadyMessage]>,
    endOf(child, 'GrandChat').then((words) => Promise.reject(new Error(words))),
  ]);
  return message;
}

async function endOf(child: ChildProcess, name: string): Promise<string> {
  const [code, signal] = await once(child, 'exit');
  return `${name} ended with ${signal ?? `code ${code}`}; its words are above.`;
}

async function untilHealthy(url: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url}/health gave no answer within ${READY_TIMEOUT_MS / 1000} s`);
}

async function stop(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }),
  );
}
