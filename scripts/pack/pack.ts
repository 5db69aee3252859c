import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { checkPacked } from './check-packed.ts';
import { compile } from './compile.ts';
import { type Manifest, packedManifest } from './manifest.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

/** Folders of the packages that are published. */
export const PACKAGES: readonly string[] = globSync('packages/*/package.json', { cwd: ROOT })
  .map((file) => join(ROOT, dirname(file)))
  .sort();

/** What a package may have besides its sources: commands, and what its README shows. */
const COPIED = ['bin', 'examples', 'page.png'];

/**
 * Makes the tarball that `npm publish` takes. The package is put together in a temporary folder: the checkout stays as it
 * is, so packing does not disturb what runs from its sources.
 *
 * @param folder - of the package, one of `PACKAGES`
 * @param into - the folder for the tarball, made when missing
 * @returns the tarball's path
 * @throws Error in words when it does not compile, or would not work where it is installed
 */
export async function pack(folder: string, into: string): Promise<string> {
  const manifest = packedManifest(readManifest(folder), workspaceVersions());
  const stage = await mkdtemp(join(tmpdir(), 'carillon-pack-'));
  try {
    await compile(folder, stage);
    await writeFile(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await cp(join(ROOT, 'LICENSE'), join(stage, 'LICENSE'));
    await cp(join(folder, 'README.md'), join(stage, 'README.md'));
    for (const name of COPIED) {
      if (existsSync(join(folder, name)))
        await cp(join(folder, name), join(stage, name), { recursive: true });
    }
    const problems = checkPacked(stage, manifest);
    if (problems.length > 0) throw new Error(`${manifest.name} cannot be packed:\n${problems.join('\n')}`);
    await mkdir(into, { recursive: true });
    const { stdout } = await npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', into], stage);
    return join(into, stdout.trim());
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Runs npm on the Node that runs this. */
export function npm(args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  return run('npm', args, { cwd, env: { ...process.env, PATH: path }, shell: process.platform === 'win32' });
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function workspaceVersions(): Map<string, string> {
  return new Map(PACKAGES.map(readManifest).map(({ name, version }) => [name, version]));
}
