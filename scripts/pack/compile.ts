import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const TSC = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
const run = promisify(execFile);

/**
 * Compiles a package's `src` into `<stage>/dist`: modules, declarations, and files of other kinds as they are. Types are
 * taken as right: `npm run check` judges them, with the tests.
 *
 * @param folder - of the package
 * @param stage - an empty folder
 * @throws Error with the compiler's words
 */
export async function compile(folder: string, stage: string): Promise<void> {
  const source = join(folder, 'src');
  const own = join(folder, 'tsconfig.json');
  const project = join(stage, 'tsconfig.json');
  const config = {
    extends: existsSync(own) ? own : join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      noCheck: true,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      rootDir: source,
      outDir: join(stage, 'dist'),
      typeRoots: [join(ROOT, 'node_modules', '@types')],
    },
    include: [`${source}/**/*.ts`],
    exclude: [],
  };
  await writeFile(project, JSON.stringify(config));
  try {
    await run(process.execPath, [TSC, '-p', project], { cwd: ROOT });
  } catch (error) {
    const { stdout, message } = error as Error & { stdout?: string };
    throw new Error(`${folder} does not compile:\n${stdout?.trim() || message}`);
  }
  await rm(project);
  for (const file of globSync('**/*.*', { cwd: source, exclude: ['**/*.ts'] })) {
    await cp(join(source, file), join(stage, 'dist', file));
  }
}
