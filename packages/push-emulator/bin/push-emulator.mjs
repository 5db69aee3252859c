#!/usr/bin/env node
// Plain JavaScript that Node 18 understands, so that an older one gets as far as handing over, or saying what is missing.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const own = fileURLToPath(import.meta.url);
const args = process.argv.slice(2);
const { name, engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const minimum = engines.node.replace('>=', '');

if (isEnough(process.versions.node)) {
  // Sources in a checkout; in the package, what was compiled of them.
  const source = new URL('../src/cli.ts', import.meta.url);
  await import(existsSync(source) ? source : new URL('../dist/cli.js', import.meta.url));
} else {
  const node = nodeFromNpm(dirname(own));
  if (!node) {
    console.error(
      `${name} needs Node ${minimum} or newer; this is ${process.versions.node}. Without changing the machine's: npm install node@${minimum}, in the folder where ${name} is installed or in one above.`,
    );
    process.exit(1);
  }
  const child = spawn(node, [own, ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
}

/** The nearest `node_modules/.bin/node`, from a folder upwards, that is new enough. */
function nodeFromNpm(folder) {
  const node = join(folder, 'node_modules', '.bin', 'node');
  if (
    existsSync(node) &&
    isEnough(
      String(spawnSync(node, ['--version']).stdout)
        .trim()
        .slice(1),
    )
  )
    return node;
  return dirname(folder) === folder ? undefined : nodeFromNpm(dirname(folder));
}

function isEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  const [leastMajor, leastMinor = 0] = minimum.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
