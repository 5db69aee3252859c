/** The Centrifugo that Carillon is held beside: built by Go from its published module, once, and kept. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir, setPriority } from 'node:os';
import { join } from 'node:path';
import { which } from './system-packages.ts';

const VERSION = 'v6.9.1';
const MODULE = `github.com/centrifugal/centrifugo/v6@${VERSION}`;
const PROGRESS_MS = 15_000;

/** What tests build once: in the user's cache folder, so that all checkouts share it. */
export const CACHE_FOLDER = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'carillon-tests');

/** Where the program is once it is built. */
export const CENTRIFUGO_PATH = join(CACHE_FOLDER, `centrifugo-${VERSION}`);

/** What a person needs who has no Go; for a test's `skip`. */
export const GO_WANTED =
  'Go 1.26 (1.21 or newer fetches that itself) in PATH or in /usr/local/go, to build Centrifugo: https://go.dev/doc/install';

/** Whether Centrifugo is there, or can be built. */
export function hasCentrifugo(): boolean {
  return existsSync(CENTRIFUGO_PATH) || goPath() !== undefined;
}

/**
 * Builds Centrifugo unless it is there already: about two minutes on two cores, and it says so while it goes.
 * @throws with Go's last words
 */
export async function buildCentrifugo(): Promise<void> {
  if (existsSync(CENTRIFUGO_PATH)) return;
  const go = goPath();
  if (!go) throw new Error(`Centrifugo is not built: it takes ${GO_WANTED}`);
  console.log(`Building Centrifugo ${VERSION} by ${go} install (two minutes or so, once) …`);
  const cache = join(CENTRIFUGO_PATH, '..');
  await mkdir(cache, { recursive: true });
  // Moved into place when it is whole: another run may be building, too.
  const folder = await mkdtemp(`${CENTRIFUGO_PATH}-`);
  try {
    await install(go, folder);
    await rename(join(folder, 'centrifugo'), CENTRIFUGO_PATH);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function install(go: string, folder: string): Promise<void> {
  const child = spawn(go, ['install', '-v', MODULE], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, GOBIN: folder, GOFLAGS: `${process.env.GOFLAGS ?? ''} -p=2`.trim() },
  });
  // Tests may be running meanwhile.
  if (child.pid !== undefined) setPriority(child.pid, 19);
  let packages = 0;
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    packages += text.split('\n').length - 1;
    words = (words + text).slice(-2_000);
  });
  const progress = setInterval(() => console.log(`  … ${packages} packages so far`), PROGRESS_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`go install ${MODULE} failed:\n${words}`));
      });
    });
  } finally {
    clearInterval(progress);
  }
}

/** The Go toolchain; undefined where there is none. */
export function goPath(): string | undefined {
  return which('go') ?? ['/usr/local/go/bin/go'].find((path) => existsSync(path));
}
