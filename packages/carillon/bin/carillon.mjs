#!/usr/bin/env node
// Plain JavaScript, so that an older Node gets as far as handing over to the pinned one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);

if (Number(process.versions.node.split('.')[0]) >= 26) {
  const { main } = await import('../src/cli/main.ts');
  const code = await main(args);
  if (code !== undefined) process.exitCode = code;
} else {
  const node = findPinnedNode(here);
  if (!node) {
    console.error(
      `carillon needs Node 26 or newer; this is ${process.versions.node}. Run npm install first: it brings one.`,
    );
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
}

/** `node_modules/.bin/node` of the nearest folder above that has one. */
function findPinnedNode(folder) {
  const candidate = join(folder, 'node_modules', '.bin', 'node');
  if (existsSync(candidate)) return candidate;
  const parent = dirname(folder);
  return parent === folder ? undefined : findPinnedNode(parent);
}
