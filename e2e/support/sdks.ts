import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { CACHE_FOLDER, GO_WANTED, goPath } from '../../scripts/setup/centrifugo.ts';
import { missing } from './requires.ts';

const run = promisify(execFile);
const PROGRAMS = join(import.meta.dirname, '..', 'sdk');

/** An official client in another language, with the program of e2e/sdk/ that uses it. */
export interface Sdk {
  readonly name: 'python' | 'go';
  /** Why it cannot run here; false when it can. */
  readonly missing: string | false;
  /** Gets the client and builds the program, unless that was done before. @returns its command */
  prepare(): Promise<readonly string[]>;
}

/** Why programs in Go cannot run here; false when they can. */
export const withoutGo: string | false = goPath() === undefined && `needs ${GO_WANTED}`;

export const SDKS: readonly Sdk[] = [
  {
    name: 'python',
    missing: missing('python'),
    async prepare() {
      return python('python', 'client.py');
    },
  },
  {
    name: 'go',
    missing: withoutGo,
    async prepare() {
      return go('go');
    },
  },
];

/** The command of a Python program in a folder of e2e/sdk/, whose packages are got unless they are there. */
export async function python(folder: string, program: string): Promise<readonly string[]> {
  const requirements = join(PROGRAMS, folder, 'requirements.txt');
  const packages = await keep(folder, [requirements], (target) =>
    run('python3', ['-m', 'pip', 'install', '-q', '--target', target, '-r', requirements]),
  );
  return ['env', `PYTHONPATH=${packages}`, 'python3', join(PROGRAMS, folder, program)];
}

/**
 * The command of a Go program in a folder of e2e/sdk/, or in one by its whole path, which is built unless it was.
 * @param tool the program of another module, which the folder's `go.mod` names, in place of the folder's own
 */
export async function go(folder: string, tool?: string): Promise<readonly string[]> {
  const source = resolve(PROGRAMS, folder);
  const files = [...(tool ? [] : ['main.go']), 'go.mod', 'go.sum'].map((file) => join(source, file));
  const built = await keep(basename(source), files, (target) =>
    run(goPath() as string, ['build', '-buildvcs=false', '-o', join(target, 'client'), tool ?? '.'], {
      cwd: source,
    }),
  );
  return [join(built, 'client')];
}

/** Makes a folder by files that its content follows from, once for each content. */
async function keep(
  name: string,
  files: readonly string[],
  make: (folder: string) => Promise<unknown>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  const folder = join(CACHE_FOLDER, `sdk-${name}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  await mkdir(CACHE_FOLDER, { recursive: true });
  // Moved into place when it is whole.
  const temporary = await mkdtemp(`${folder}-`);
  try {
    await make(temporary);
    await rename(temporary, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** A program under way that follows a channel. */
export class Follower {
  readonly #events: AsyncIterator<string>;
  readonly #stop: () => Promise<void>;
  #errors = '';

  constructor(command: readonly string[], args: readonly string[]) {
    const [program = '', ...rest] = command;
    const child = spawn(program, [...rest, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    child.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk;
    });
    this.#events = createInterface(child.stdout)[Symbol.asyncIterator]();
    this.#stop = async () => {
      child.kill('SIGKILL');
      await exited;
    };
  }

  /** The next thing that the program says; throws with its last words when it has ended. */
  async next(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#events.next();
    if (done) throw new Error(`the program has ended: ${this.#errors}`);
    return JSON.parse(value);
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}
