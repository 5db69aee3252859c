import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

for (const name of ['carillon', 'push-emulator']) {
  suite(`the command ${name} on a Node that is too old`, () => {
    let folder: string;
    let command: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'carillon-launcher-'));
      const place = join(folder, 'node_modules', name);
      await cp(join(ROOT, 'packages', name, 'bin'), join(place, 'bin'), { recursive: true });
      await writeFile(join(place, 'package.json'), JSON.stringify({ name, engines: { node: '>=99.5' } }));
      command = join(place, 'bin', `${name}.mjs`);
    });
    after(() => rm(folder, { recursive: true, force: true }));

    /** A stand-in for the npm package `node`. */
    const installNode = async (version: string) => {
      const bin = join(folder, 'node_modules', '.bin');
      await mkdir(bin, { recursive: true });
      const node = join(bin, 'node');
      await writeFile(
        node,
        `#!/bin/sh\nif [ "$1" = --version ]; then echo v${version}; else shift; echo "handed over: $*"; fi\n`,
      );
      await chmod(node, 0o755);
    };
    const says = { code: 1, stderr: new RegExp(`^${name} needs Node 99\\.5 or newer; this is \\d`) };

    test('says which one it needs', () => assert.rejects(run(process.execPath, [command]), says));

    test('is not handed over to another that is too old', async () => {
      await installNode('99.4.9');
      await assert.rejects(run(process.execPath, [command]), says);
    });

    test('is handed over to one from npm', async () => {
      await installNode('99.5.0');
      const { stdout } = await run(process.execPath, [command, 'serve', '--config', 'a b.json']);
      assert.equal(stdout, 'handed over: serve --config a b.json\n');
    });
  });
}
