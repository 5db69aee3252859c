import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPostgresDatabase } from '../../packages/carillon/test/support/database.ts';
import { startRedis } from '../../packages/carillon/test/support/redis.ts';
import { buildWeb, WEB_ROOT } from '../../scripts/setup/build-web.ts';
import { freePort } from '../../scripts/setup/free-ports.ts';
import { CARILLON_COMMAND, GRANDCHAT_MAIN } from '../../scripts/start/settings.ts';
import { composeConfig, DEPLOY, environmentOf, makeEnvFile } from './compose.ts';
import { startNginx } from './nginx.ts';

/** In the image under /etc/carillon. */
const CARILLON_CONFIG = join(DEPLOY, '..', 'apps', 'grandchat', 'carillon.json');
const READY_MS = 60_000;
const REPLICAS = 2;

/** What compose.yaml starts, without Docker: two of each program by their environments there, nginx before them. */
export interface Deployment {
  /** nginx. */
  readonly origin: string;
  readonly carillons: readonly Node[];
  readonly workers: readonly Node[];
  readonly grandchats: readonly Node[];
  close(): Promise<void>;
}

export interface Node {
  readonly url: string;
  kill(): Promise<void>;
}

/** @param pushOrigin a push service that Carillon may send to */
export async function startDeployment({ pushOrigin }: { pushOrigin: string }): Promise<Deployment> {
  await buildWeb();
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'deployment-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const { status, text } = composeConfig(makeEnvFile(folder));
    if (status !== 0) throw new Error(text);
    const database = await createPostgresDatabase();
    closers.push(database.drop);
    const redis = await startRedis();
    closers.push(redis.drop);

    let firstCarillon = 'http://127.0.0.1:1';
    const environment = (service: string) => {
      const replaced = Object.entries(environmentOf(service, text)).map(([name, value]) => [
        name,
        value
          .replace(/^postgresql:\S*@postgres:5432\/\w+$/, database.dsn)
          .replace(/^redis:\S*@redis:6379$/, `redis://${redis.address}`)
          .replace(/^http:\/\/carillon:8000$/, firstCarillon),
      ]);
      return { ...process.env, ...Object.fromEntries(replaced), CARILLON_DATA_DIR: join(folder, service) };
    };
    const start = async (name: string, args: readonly string[], env: NodeJS.ProcessEnv, port: number) => {
      const node = await startNode(name, args, env, `http://127.0.0.1:${port}`);
      closers.push(node.close);
      return node;
    };
    const carillonPorts = await Promise.all(Array.from({ length: REPLICAS }, freePort));
    firstCarillon = `http://127.0.0.1:${carillonPorts[0]}`;
    const startCarillons = (service: string, role: string, ports: readonly number[]) =>
      Promise.all(
        ports.map((port) =>
          start(
            service,
            [CARILLON_COMMAND, role, '--config', CARILLON_CONFIG],
            {
              ...environment(service),
              CARILLON_HTTP_SERVER_PORT: String(port),
              CARILLON_LOG_LEVEL: 'error',
              CARILLON_PUSH_NOTIFICATIONS_WEBPUSH_INSECURE_ENDPOINT_ORIGINS: pushOrigin,
            },
            port,
          ),
        ),
      );
    const grandchats = await Promise.all(
      Array.from({ length: REPLICAS }, async () => {
        const port = await freePort();
        const env = {
          ...environment('grandchat'),
          GRANDCHAT_PORT: String(port),
          GRANDCHAT_WEB_ROOT: WEB_ROOT,
        };
        return start('grandchat', [GRANDCHAT_MAIN], env, port);
      }),
    );
    const workerPorts = await Promise.all(Array.from({ length: REPLICAS }, freePort));
    const [carillons, workers] = await Promise.all([
      startCarillons('carillon', 'serve', carillonPorts),
      startCarillons('worker', 'worker', workerPorts),
    ]);
    const hosts = (nodes: readonly Node[]) => nodes.map(({ url }) => new URL(url).host);
    const nginx = await startNginx({ grandchat: hosts(grandchats), carillon: hosts(carillons) });
    closers.push(nginx.close);
    return { origin: nginx.origin, carillons, workers, grandchats, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startNode(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  url: string,
): Promise<Node & { close(): Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
  const exited = once(child, 'exit');
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal);
    await exited;
  };
  const deadline = performance.now() + READY_MS;
  while (!(await fetch(`${url}/health`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    if (performance.now() > deadline) {
      await end('SIGKILL');
      throw new Error(`${name} is not ready at ${url}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, kill: () => end('SIGKILL'), close: () => end('SIGTERM') };
}
