/** Processes of a benchmark: on the cores it was told to use, ended with it, and heard when they fail. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ChildOptions {
  /** As taskset(1) takes them, e.g. `0,1`; all when absent. */
  readonly cores?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly nodeArgs?: readonly string[];
  /** Another program than Node, which speaks its channel: a line of JSON a message, on the descriptor NODE_CHANNEL_FD. */
  readonly program?: string;
}

/** Starts Node on a file, with stdout to be read. */
export function spawnNode(args: readonly string[], options: ChildOptions): ChildProcess {
  const [command, ...rest] = [...pin(options), process.execPath, ...(options.nodeArgs ?? []), ...args];
  return spawn(command as string, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
}

function pin({ cores }: ChildOptions): string[] {
  return cores ? ['taskset', '-c', cores] : [];
}

/** A process that is asked one thing after another, and tells of its progress meanwhile. */
export class Peer<Request extends object = object> {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #name: string;
  #waiting: { type: string; resolve: (message: never) => void; reject: (error: Error) => void }[] = [];
  #ended = false;

  /** @param module runs in the process, and answers messages by messages that have a `type` */
  constructor(name: string, module: URL, options: ChildOptions = {}) {
    const program = options.program ?? process.execPath;
    const [first, ...rest] = [...pin(options), program, ...(options.nodeArgs ?? [])];
    this.#name = name;
    this.#child = fork(module, {
      execPath: first as string,
      execArgv: rest,
      env: { ...process.env, ...options.env },
    });
    this.pid = this.#child.pid as number;
    this.#child.on('message', (message: { type: string }) => {
      const at = this.#waiting.findIndex(({ type }) => type === message.type);
      if (at >= 0) this.#waiting.splice(at, 1)[0]?.resolve(message as never);
    });
    this.#child.once('exit', (code, signal) => {
      this.#ended = true;
      const error = new Error(`${this.#name} ended early (${signal ?? `code ${code}`})`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  /** Resolves with the next message of this type. */
  next<Message extends { type: string }>(type: Message['type']): Promise<Message> {
    if (this.#ended) return Promise.reject(new Error(`${this.#name} has ended`));
    return new Promise((resolve, reject) => this.#waiting.push({ type, resolve, reject }));
  }

  /** Sends a message and waits for the next one of the type `answer`. */
  ask<Message extends { type: string }>(message: Request, answer: Message['type']): Promise<Message> {
    const next = this.next<Message>(answer);
    this.#child.send(message);
    return next;
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const exit = once(this.#child, 'exit');
    this.#waiting = [];
    this.#child.kill();
    await exit;
  }
}
