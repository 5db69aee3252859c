import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CentClient, CentException } from 'cent.js';

/** What a client of the server API understood of an answer. */
export interface Answer {
  readonly result?: Record<string, unknown>;
  /** The code. */
  readonly error?: number;
}

/** In place of a code, of a client that has none. */
export const UNTOLD = -1;

/** Calls methods of the server API by a client that others have written. */
export interface ApiClient {
  ask(method: string, request: object): Promise<Answer>;
  close(): Promise<void>;
}

/** A program of e2e/sdk/ that has the client: a call a line in, an answer a line out. */
export function startApiProgram(command: readonly string[], url: string, key: string): ApiClient {
  const [file = '', ...args] = command;
  const program = spawn(file, [...args, url, key]);
  let errors = '';
  program.stderr.on('data', (chunk: Buffer) => {
    errors += chunk;
  });
  const answers = createInterface(program.stdout)[Symbol.asyncIterator]();
  return {
    async ask(method, request) {
      program.stdin.write(`${JSON.stringify({ method, request })}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`the program has ended: ${errors}`);
      return JSON.parse(value);
    },
    async close() {
      const exited = once(program, 'exit');
      program.stdin.end();
      await exited;
    },
  };
}

/** Names that are not the method's own in camel case. */
const NAMES: Readonly<Record<string, string>> = {
  presence: 'getPresence',
  presence_stats: 'getPresenceStats',
  history: 'getHistory',
  history_remove: 'removeHistory',
  channels: 'getChannels',
  info: 'getInfo',
};

/** The client for JavaScript. */
export function openCentJs(url: string, apiKey: string): ApiClient {
  const client = new CentClient({ url, apiKey });
  const call = (method: string, request: object) =>
    (client as unknown as Record<string, (params: object) => Promise<Record<string, unknown>>>)[
      NAMES[method] ?? method
    ]?.(request) ?? Promise.reject(new Error(`cent.js has no ${method}`));
  return {
    async ask(method, request) {
      if (method === 'batch') {
        const commands = request as { method: string; request: object }[];
        const replies = await client.pipeline(
          commands.map(({ method: name, request: params }) => ({ method: name, params })) as never,
        );
        return { result: { replies } };
      }
      // What it throws for an error of the server's says nothing more.
      return call(method, request).then(
        (result) => ({ result }),
        (error: Error) => {
          if (!(error instanceof CentException)) throw error;
          return { error: UNTOLD };
        },
      );
    },
    async close() {},
  };
}
