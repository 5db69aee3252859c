// Runs a script of ours with the Node that the project pins, whatever Node is on the machine, and installs the
// packages first when they are missing or out of date. Plain JavaScript that Node 18 understands.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');

installPackages();
run(process.argv.slice(2));

function installPackages() {
  const stamp = join(root, 'node_modules', '.installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.log('Installing packages (once; half a minute or so) …');
  const { path, remove } = nodeForNpm();
  try {
    npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], root, path);
  } finally {
    remove();
  }
  writeFileSync(stamp, wanted);
}

/**
 * The Node that npm is to run on. npm leaves out native parts that are not for the Node it runs on, so an older one would
 * install half a builder: it only fetches the pinned Node, into a folder of its own, and that one installs the rest.
 */
function nodeForNpm() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return { path: process.execPath, remove() {} };
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folder = mkdtempSync(join(tmpdir(), 'pinned-node-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  writeFileSync(join(folder, 'package.json'), '{}');
  npm(
    ['install', '--no-audit', '--no-fund', '--loglevel=error', `node@${devDependencies.node}`],
    folder,
    process.execPath,
  );
  return { path: join(folder, 'node_modules', '.bin', 'node'), remove };
}

/** Runs npm on a given Node; ends the process in words when it fails. */
function npm(args, cwd, nodePath) {
  const cli = process.env.npm_execpath;
  const [command, first] = cli ? [nodePath, [cli]] : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []];
  const env = { ...process.env, PATH: `${dirname(nodePath)}${delimiter}${process.env.PATH}` };
  const { status, error } = spawnSync(command, [...first, ...args], { cwd, env, stdio: 'inherit' });
  if (status === 0) return;
  console.error(
    `npm ${args[0]} failed${error ? `: ${error.message}` : ''}. Its words are above; run it again once mended.`,
  );
  process.exit(status ?? 1);
}

function run(args) {
  const child = spawn(node, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: {
      ...process.env,
      PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`,
    },
  });
  // A terminal sends Ctrl+C to both processes; the child decides when it is done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
}
