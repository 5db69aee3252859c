import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CARILLON_COMMAND } from '../../scripts/start/settings.ts';
import { startRelay } from './wire.ts';

export const API_KEY = 'cluster key';

/** One `carillon serve`, a process of its own. */
export interface ClusterNode {
  readonly url: string;
  /** As a power cut would end it. */
  kill(): Promise<void>;
}

/** Nodes of Carillon with one configuration, behind a balancer as a proxy would be. */
export interface NodeCluster {
  /** Where clients connect: each connection goes to the next node that takes it. */
  readonly balancer: string;
  readonly nodes: readonly ClusterNode[];
  start(): Promise<ClusterNode>;
  close(): Promise<void>;
}

export async function startNodeCluster(count: number, config: object): Promise<NodeCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'nodes-'));
  const file = join(folder, 'config.json');
  await writeFile(
    file,
    JSON.stringify({
      http_server: { address: '127.0.0.1', port: 0 },
      http_api: { key: API_KEY },
      database: { enabled: false },
      ...config,
    }),
  );
  const nodes = new Set<ClusterNode>();
  const start = async () => {
    const { url, child } = await serve(file, folder);
    const node: ClusterNode = {
      url,
      async kill() {
        nodes.delete(node);
        await end(child, 'SIGKILL');
      },
    };
    nodes.add(node);
    processes.add(child);
    return node;
  };
  const processes = new Set<ChildProcess>();
  let turn = 0;
  const balancer = await startRelay(() => {
    const node = [...nodes][turn++ % nodes.size];
    return node && Number(new URL(node.url).port);
  });
  const close = async () => {
    balancer.close();
    await Promise.all([...processes].map((child) => end(child, 'SIGTERM')));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(Array.from({ length: count }, start));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    balancer: balancer.origin,
    get nodes() {
      return [...nodes];
    },
    start,
    close,
  };
}

async function serve(file: string, folder: string): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [CARILLON_COMMAND, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CARILLON_DATA_DIR: folder },
  });
  let log = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk;
      const found = /"url":"([^"]+)"/.exec(log)?.[1];
      if (found) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`carillon serve ended with ${code}:\n${log}`)));
  });
  return { url, child };
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
