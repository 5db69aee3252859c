import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const WEB = join(ROOT, 'apps', 'grandchat', 'web');

/** Where the built front end is. */
export const WEB_ROOT = join(WEB, 'dist');

/**
 * Builds GrandChat's front end unless the built one is of the same sources.
 * @throws with the builder's last words when it fails
 */
export async function buildWeb(): Promise<void> {
  const stamp = join(WEB_ROOT, '.sources');
  const hash = hashSources();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  console.log('Building the front end (a few seconds, only when it has changed) …');
  await new Promise<void>((resolve, reject) => {
    const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
    const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd: WEB });
    const words: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => words.push(chunk));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`vite build failed:\n${Buffer.concat(words).toString().slice(-4000)}`));
    });
  });
  writeFileSync(stamp, hash);
}

function hashSources(): string {
  const files = globSync(
    [
      'apps/grandchat/web/{src,public}/**/*.*',
      'apps/grandchat/web/*.{html,ts,json}',
      'packages/push-client/src/**/*.ts',
      'package-lock.json',
    ],
    { cwd: ROOT },
  ).sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex');
}
