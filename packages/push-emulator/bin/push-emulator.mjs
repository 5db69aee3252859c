#!/usr/bin/env node
// Runs the command with a Node that strips types; on a machine with an older one, with the project's own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MINIMUM = 24;
const main = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= MINIMUM) {
  await import(main);
} else {
  const node = pinnedNode(dirname(main));
  if (!node) {
    console.error(`push-emulator needs Node ${MINIMUM} or later; this is ${process.versions.node}`);
    process.exit(1);
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
}

/** The nearest `node_modules/.bin/node` from a folder upwards. */
function pinnedNode(folder) {
  const node = join(folder, 'node_modules', '.bin', 'node');
  if (existsSync(node)) return node;
  return dirname(folder) === folder ? undefined : pinnedNode(dirname(folder));
}
