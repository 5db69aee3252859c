import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { loadSecrets } from '../config/secrets.ts';
import { CONFIG_OPTION, CommandError, dataDirectory, readConfig } from './command.ts';

/** For `parseArgs`; of every command that talks to a running server. */
export const SERVER_OPTIONS = {
  ...CONFIG_OPTION,
  url: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** For the help of those commands. */
export const SERVER_HELP = `  --url URL           where the server is, else CARILLON_URL, else this machine at http_server.port or internal_port
  --config FILE       its configuration, when it is not ./config.json
  --json              answer in JSON

The API key is http_api.key (CARILLON_HTTP_API_KEY), else that of secrets.json in CARILLON_DATA_DIR. It is not taken
from the command line, which other users of the machine can read.`;

/** A running server's API, and the configuration as it is known here. */
export interface ServerClient {
  readonly config: Config;
  /**
   * Calls a method of the server API.
   * @throws CommandError in words when no server answers, the key is wrong, or the method refuses
   */
  call<Result = Record<string, unknown>>(method: string, request: object): Promise<Result>;
}

const TIMEOUT_MS = 30_000;

/**
 * @param options as parsed by `SERVER_OPTIONS`
 * @throws CommandError when there is no key, or the URL is none
 */
export async function connectServer(options: { config?: string; url?: string }): Promise<ServerClient> {
  const { config } = await readConfig(options.config);
  const base = baseUrl(options.url, config);
  const key = await apiKey(config);
  return {
    config,
    async call<Result>(method: string, request: object): Promise<Result> {
      const url = `${base}${config.http_api.handler_prefix}/${method}`;
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key && { 'x-api-key': key }) },
        body: JSON.stringify(request),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).catch((error: Error) => {
        throw new CommandError(unreachable(base, error));
      });
      return resultOf(response.status, await response.text(), url) as Result;
    },
  };
}

function baseUrl(given: string | undefined, { http_server, http_api }: Config): string {
  const text = given || process.env.CARILLON_URL;
  if (!text) {
    const isInside = http_server.internal_port !== '' && !http_api.external;
    const address = (isInside && http_server.internal_address) || http_server.address;
    const port = isInside ? http_server.internal_port : http_server.port;
    const isAny = address === '' || address === '0.0.0.0' || address === '::';
    return `http://${isAny ? 'localhost' : address.includes(':') ? `[${address}]` : address}:${port}`;
  }
  const url = URL.parse(text);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return text.replace(/\/+$/, '');
  throw new CommandError(
    `${given ? '--url' : 'CARILLON_URL'} is ${JSON.stringify(text)}: allowed is an http or https URL such as http://localhost:8000`,
    2,
  );
}

async function apiKey({ http_api: { key, insecure } }: Config): Promise<string> {
  if (key || insecure) return key;
  const dataDir = dataDirectory();
  // Reading must not make a folder with secrets that no server has.
  if (existsSync(join(dataDir, 'secrets.json'))) return (await loadSecrets(dataDir)).apiKey;
  throw new CommandError(
    `no API key: set CARILLON_HTTP_API_KEY, or CARILLON_DATA_DIR to the server's data folder (there is no secrets.json in ${dataDir})`,
  );
}

function unreachable(base: string, error: Error): string {
  if (error.name === 'TimeoutError') return `${base} gave no answer within ${TIMEOUT_MS / 1000} seconds`;
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  if (cause.code === 'ECONNREFUSED') {
    return `no server answers at ${base}: start it with carillon serve, or name another with --url`;
  }
  return `${base} cannot be reached: ${cause.message || cause.code || error.message}`;
}

/** The `result` of an answer (server-api, section 1); its `error`, and what is no answer of the API, in words. */
function resultOf(status: number, text: string, url: string): unknown {
  if (status === 401) {
    throw new CommandError(
      "the server does not take this API key: set CARILLON_HTTP_API_KEY to its http_api.key, or CARILLON_DATA_DIR to the server's data folder",
    );
  }
  if (status === 404) throw new CommandError(`there is no server API at ${url}: is it Carillon's address?`);
  let reply: { result?: unknown; error?: { code: number; message: string } };
  try {
    reply = JSON.parse(text);
  } catch {
    throw new CommandError(`${url} answered ${status}: ${text.slice(0, 200)}`);
  }
  // With http_api.error_mode "transport" an error is the whole body.
  const error = reply.error ?? (status >= 400 ? (reply as { code: number; message: string }) : undefined);
  if (error) throw new CommandError(`${error.message} (code ${error.code})`);
  return reply.result;
}
