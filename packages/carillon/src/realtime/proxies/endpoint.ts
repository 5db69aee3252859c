import { Agent, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps, Agent as SecureAgent } from 'node:https';
import type { ProxyOptions } from '../../config/proxies.ts';
import { readTls } from '../../config/tls.ts';
import type { Logger } from '../../logger.ts';
import { ClientError, clientError, Disconnect } from '../codes.ts';
import { encodeJson } from '../json.ts';

/** Calls of one endpoint at a time, each with a connection; further ones wait for their turn, within their timeout. */
const MAX_CALLS = 256;
/** Calls that may wait. An endpoint that does not answer is not asked for more. */
const MAX_WAITING = 2_048;
/** Shorter than the five seconds after which many servers drop an idle connection. */
const IDLE_MS = 4_000;
const MAX_ANSWER_BYTES = 1_048_576;
const LOG_INTERVAL_MS = 1_000;

/** What happens to a command on the way to the application, for metrics. */
export interface ProxyCall {
  readonly type: ProxyType;
  /** `default`, or the name in `proxies`. */
  readonly name: string;
  readonly seconds: number;
  readonly failed: boolean;
}

export type ProxyType = 'connect' | 'refresh' | 'subscribe' | 'publish' | 'sub_refresh' | 'rpc';

export interface EndpointOptions {
  readonly type: ProxyType;
  readonly name: string;
  readonly options: ProxyOptions;
  readonly logger: Logger;
  readonly observe?: ((call: ProxyCall) => void) | undefined;
}

/** The endpoint could not be asked, or answered what it must not. Clients see error 100 and may come back. */
export class ProxyError extends Error {
  override name = 'ProxyError';
}

/** The endpoint had closed an idle connection, just when it was used again. */
class IdleConnectionError extends Error {
  override message = 'the connection was closed';
}

/** One HTTP endpoint of the application, which is asked about one kind of event. */
export class Endpoint {
  readonly options: ProxyOptions;
  readonly #setup: EndpointOptions;
  readonly #url: URL;
  readonly #agent: Agent;
  #calls = 0;
  readonly #waiting = new Set<() => void>();
  #loggedAt = Number.NEGATIVE_INFINITY;
  #unlogged = 0;

  constructor(setup: EndpointOptions) {
    this.#setup = setup;
    this.options = setup.options;
    this.#url = new URL(setup.options.endpoint);
    const pool = { keepAlive: true, timeout: IDLE_MS };
    this.#agent =
      this.#url.protocol === 'https:'
        ? new SecureAgent({ ...pool, ...tlsOf(setup.options) })
        : new Agent(pool);
  }

  /**
   * Asks the application and reads what it answers. What goes wrong is logged here, without a word of the payloads.
   * @param read  turns the parsed answer into what is wanted; throws ClientError or Disconnect where the application says
   *              so, anything else for an answer that it cannot be
   * @throws ClientError, Disconnect, and ProxyError when nobody can say
   */
  async ask<T>(
    body: object,
    headers: Readonly<Record<string, string>>,
    read: (answer: unknown) => T,
  ): Promise<T> {
    const { type, name, observe } = this.#setup;
    const started = performance.now();
    let failed = false;
    try {
      return read(parseAnswer(await this.#post(encodeJson(body), headers)));
    } catch (error) {
      if (error instanceof ClientError || error instanceof Disconnect) throw error;
      failed = true;
      this.#log(error as Error);
      throw new ProxyError((error as Error).message, { cause: error });
    } finally {
      observe?.({ type, name, seconds: (performance.now() - started) / 1000, failed });
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #post(body: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const { http, timeout } = this.options;
    const signal = AbortSignal.timeout(timeout);
    await this.#turn(signal);
    try {
      const all = {
        ...lowered(http.static_headers),
        ...headers,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      };
      const response = await this.#send(all, body, signal).catch((error) => {
        if (!this.#mayRepeat(error)) throw error;
        return this.#send(all, body, signal);
      });
      const status = response.statusCode ?? 0;
      if (status === 200) return await readBounded(response);
      response.resume();
      throw this.#transformed(status) ?? new Error(`the endpoint answered ${status}`);
    } finally {
      this.#calls -= 1;
      const [next] = this.#waiting;
      next?.();
    }
  }

  /** Waits for one of the places; whoever gets it leaves it by itself. The agent's own queue forgets no timed-out call. */
  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#calls >= MAX_CALLS) {
      if (this.#waiting.size >= MAX_WAITING) throw new Error(`${MAX_WAITING} calls wait already`);
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          this.#waiting.delete(go);
          reject(new Error(`no turn within ${this.options.timeout} ms`));
        };
        const go = () => {
          this.#waiting.delete(go);
          signal.removeEventListener('abort', stop);
          resolve();
        };
        signal.addEventListener('abort', stop, { once: true });
        this.#waiting.add(go);
      });
    }
    if (signal.aborted) throw new Error(`no turn within ${this.options.timeout} ms`);
    this.#calls += 1;
  }

  #send(headers: Record<string, string>, body: string, signal: AbortSignal): Promise<IncomingMessage> {
    const send = this.#url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const request = send(this.#url, { method: 'POST', headers, agent: this.#agent, signal }, resolve);
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (signal.aborted) reject(new Error(`no answer within ${this.options.timeout} ms`));
        else if (request.reusedSocket && error.code === 'ECONNRESET') reject(new IdleConnectionError());
        else reject(error);
      });
      request.end(body);
    });
  }

  /** Asking again what a client may do changes nothing; publishing or calling twice would. */
  #mayRepeat(error: unknown): boolean {
    return error instanceof IdleConnectionError && !['publish', 'rpc'].includes(this.#setup.type);
  }

  /** What the configuration makes of a status. */
  #transformed(status: number): ClientError | Disconnect | undefined {
    const rule = this.options.http.status_to_code_transforms.find(
      ({ status_code }) => status_code === status,
    );
    if (!rule) return undefined;
    const { to_error: error, to_disconnect: disconnect } = rule;
    return error.code > 0
      ? new ClientError(error.code, error.message, error.temporary)
      : new Disconnect(disconnect.code, disconnect.reason);
  }

  #log({ message }: Error): void {
    const { type, name, logger } = this.#setup;
    const now = performance.now();
    this.#unlogged += 1;
    if (now < this.#loggedAt + LOG_INTERVAL_MS) return;
    const failures = this.#unlogged;
    this.#loggedAt = now;
    this.#unlogged = 0;
    logger.error({ proxy: type, name, reason: message, failures }, 'the application could not be asked');
  }
}

/** What clients get when nobody can say what they may do. */
export function asClientError(error: unknown): unknown {
  return error instanceof ProxyError ? clientError('internal') : error;
}

/** The parser's own words would show a part of the answer. */
function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the endpoint answered no JSON');
  }
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      response.destroy();
      throw new Error(`the endpoint answered more than ${MAX_ANSWER_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function lowered(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function tlsOf({ http: { tls } }: ProxyOptions): object {
  if (!tls.enabled) return {};
  return { ...readTls(tls, 'http.tls'), ...(tls.server_name && { servername: tls.server_name }) };
}
