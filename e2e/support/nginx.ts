import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/setup/free-ports.ts';
import { nginxPath } from '../../scripts/setup/system-packages.ts';
import { DEPLOY } from './compose.ts';

const FILE = join(DEPLOY, 'nginx', 'nginx.conf');

/** deploy/nginx/nginx.conf in front of programs on this machine. */
export interface TestNginx {
  readonly origin: string;
  close(): Promise<void>;
}

export interface NginxOptions {
  readonly port: number;
  /** Where the log of requests goes. */
  readonly folder: string;
  /** `host:port` of each. */
  readonly grandchat: readonly string[];
  readonly carillon: readonly string[];
}

/** The file as it is, but for the port, the log, and addresses in the place of Docker's names. */
export function nginxConfiguration({ port, folder, grandchat, carillon }: NginxOptions): string {
  const upstream = (name: string, servers: readonly string[]) =>
    `upstream ${name} { ${servers.map((server) => `server ${server};`).join(' ')} }\n`;
  const replaced: [string, string][] = [
    ['http {\n', `http {\n${upstream('grandchat_nodes', grandchat)}${upstream('carillon_nodes', carillon)}`],
    ['http://grandchat:9000', 'http://grandchat_nodes'],
    ['http://carillon:8000', 'http://carillon_nodes'],
    ['listen 8080', `listen 127.0.0.1:${port}`],
    ['/var/log/nginx', folder],
    ['/tmp/nginx.pid', join(folder, 'nginx.pid')],
  ];
  return replaced.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${FILE} has no ${JSON.stringify(from)}`);
      return text.replace(from, to);
    },
    readFileSync(FILE, 'utf8'),
  );
}

export async function startNginx(nodes: Pick<NginxOptions, 'grandchat' | 'carillon'>): Promise<TestNginx> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'));
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  await writeFile(file, nginxConfiguration({ ...nodes, port, folder }));
  const child: ChildProcess = spawn(nginxPath() ?? 'nginx', ['-c', file, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk;
  });
  const origin = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${origin}/nginx-health`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`nginx ended:\n${words}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    origin,
    async close() {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
