import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveConfig } from '../../src/config/load.ts';
import type { Logger } from '../../src/logger.ts';
import { type Carillon, startCarillon } from '../../src/server.ts';
import type { Database } from '../../src/storage/database.ts';
import { silent } from './realtime.ts';

export const API_KEY = 'the key';

export interface TestServer {
  readonly carillon: Carillon;
  /** POST to a method; headers are laid over the key's. */
  post(
    method: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; text: string; type: string }>;
  /** The parsed answer of a method. */
  call(method: string, request: object): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** The whole server on a free port, on `db` or without a database. */
export async function startServer(
  value: object,
  { db, logger = silent }: { db?: Database; logger?: Logger } = {},
): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'carillon-server-'));
  const { config } = resolveConfig({
    http_server: { address: '127.0.0.1', port: 0 },
    http_api: { key: API_KEY },
    ...(!db && { database: { enabled: false } }),
    ...value,
  });
  const carillon = await startCarillon({ config, dataDir, logger, ...(db && { db }) });
  const post: TestServer['post'] = async (method, body, headers = { 'x-api-key': API_KEY }) => {
    const response = await fetch(`${carillon.url}/api/${method}`, {
      method: 'POST',
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return {
      status: response.status,
      text: await response.text(),
      type: response.headers.get('content-type') ?? '',
    };
  };
  return {
    carillon,
    post,
    call: async (method, request) => JSON.parse((await post(method, request)).text),
    async close() {
      await carillon.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
