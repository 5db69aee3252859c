/** Carillon as it is run: `carillon serve` in a process of its own. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from '../../scripts/setup/at-exit.ts';
import { type ChildOptions, spawnNode } from './child.ts';

const BIN = join(import.meta.dirname, '..', '..', 'packages', 'carillon', 'bin', 'carillon.mjs');
const API_KEY = 'bench';

export interface CarillonProcess {
  readonly pid: number;
  /** Calls a method of the server API; gives back its result. Rejects with the server's words. */
  call<T = Record<string, unknown>>(method: string, body: object): Promise<T>;
  /** `batch`, with its replies in order. Rejects when one of them is an error. */
  batch<T = Record<string, unknown>>(commands: readonly object[]): Promise<T[]>;
  stop(): Promise<void>;
}

export interface CarillonOptions extends ChildOptions {
  /** Laid over what every benchmark needs. */
  readonly config: Record<string, unknown>;
  /** Where the embedded database is; a temporary folder when absent. */
  readonly dataDir?: string | undefined;
  /** Connections to the API at once. Default 4. */
  readonly connections?: number;
}

export async function startCarillon(options: CarillonOptions): Promise<CarillonProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-bench-'));
  const file = join(folder, 'config.json');
  const config = {
    http_server: { address: '127.0.0.1', port: 0 },
    http_api: { key: API_KEY, max_body_size: 64 * 1024 * 1024 },
    ...options.config,
  };
  writeFileSync(file, JSON.stringify(config));
  const child = spawnNode([BIN, 'serve', '--config', file], {
    ...options,
    env: { ...options.env, CARILLON_DATA_DIR: options.dataDir ?? folder },
  });
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const forget = atExit(() => {
    child.kill('SIGKILL');
    removeFolder();
  });
  let output = '';
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output = (output + chunk).slice(-20_000);
        const found = /"url":"([^"]+)".*Carillon serves/.exec(output)?.[1];
        if (found) resolve(found);
      });
    }
    exited.then(() => reject(new Error(`carillon serve ended at once:\n${output}`)));
  });
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections ?? 4 });
  const post = (method: string, body: object) => postJson(`${url}/api/${method}`, body, agent);
  return {
    pid: child.pid as number,
    async call<T>(method: string, body: object) {
      const reply = (await post(method, body)) as { result?: T; error?: { message: string } };
      if (reply.error) throw new Error(`${method}: ${reply.error.message}`);
      return reply.result as T;
    },
    async batch<T>(commands: readonly object[]) {
      const { replies } = (await post('batch', { commands, parallel: true })) as {
        replies: { error?: { message: string } }[];
      };
      const failed = replies.find((reply) => reply.error);
      if (failed) throw new Error(`batch: ${failed.error?.message}`);
      return replies as T[];
    },
    async stop() {
      agent.destroy();
      forget();
      child.kill('SIGTERM');
      const [code] = await exited;
      removeFolder();
      if (code !== 0) throw new Error(`carillon serve ended with code ${code}:\n${output}`);
    },
  };
}

/** `node:http`, because `fetch` costs the caller more than the server that is measured. */
function postJson(url: string, body: object, agent: Agent): Promise<object> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = { 'x-api-key': API_KEY, 'content-length': Buffer.byteLength(text) };
    const outgoing = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(JSON.parse(answer) as object);
        else reject(new Error(`${url}: ${response.statusCode} ${answer.slice(0, 500)}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}
