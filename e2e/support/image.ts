import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DEPLOY } from './compose.ts';

const ROOT = join(DEPLOY, '..');

interface Stage {
  readonly base: string;
  readonly steps: readonly (readonly [instruction: string, rest: string])[];
}

/**
 * Goes through a stage of deploy/Dockerfile in a folder, without Docker: files are copied as .dockerignore lets them, and
 * commands of Node are run. `npm ci` is not: packages are this checkout's.
 * @returns the folder that stands for the image's root
 */
export function buildStage(name: string, folder: string): string {
  const root = join(folder, name);
  const stages = readStages();
  let at = root;
  const inImage = (path: string) => (path.startsWith('/') ? join(root, path) : join(at, path));
  const run = (stage: Stage) => {
    const base = stages.get(stage.base);
    if (base) run(base);
    for (const [instruction, rest] of stage.steps) {
      if (instruction === 'WORKDIR') {
        at = join(root, rest);
        mkdirSync(at, { recursive: true });
      } else if (instruction === 'COPY') {
        const [from, words] = /^--from=(\w+) (.*)$/.exec(rest)?.slice(1) ?? [undefined, rest];
        const sources = (words ?? '').split(' ');
        copy(
          from ? buildStage(from, folder) : ROOT,
          sources.slice(0, -1),
          sources.at(-1) ?? '',
          inImage,
          !from,
        );
      } else if (instruction === 'RUN' && rest.startsWith('npm ci ')) {
        symlinkSync(join(ROOT, 'node_modules'), join(at, 'node_modules'));
      } else if (instruction === 'RUN' && rest.startsWith('node ')) {
        execFileSync('sh', ['-c', rest.replaceAll('/app/', `${at}/`)], { cwd: at, stdio: 'pipe' });
      }
    }
  };
  const stage = stages.get(name);
  if (!stage) throw new Error(`deploy/Dockerfile has no stage ${name}`);
  run(stage);
  return root;
}

/** What a stage starts, e.g. `["node", "…"]`: its ENTRYPOINT, else its CMD. */
export function entryOf(name: string): string[] {
  const steps = readStages().get(name)?.steps ?? [];
  const found = ['ENTRYPOINT', 'CMD'].map((wanted) => steps.find(([instruction]) => instruction === wanted));
  return JSON.parse(found.find(Boolean)?.[1] ?? '[]') as string[];
}

function readStages(): Map<string, Stage> {
  const stages = new Map<string, Stage>();
  const text = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ');
  for (const part of text.split(/^FROM /m).slice(1)) {
    const [first = '', ...lines] = part.split('\n');
    const [base = '', , name = ''] = first.split(' ');
    const steps = lines.flatMap((line) => {
      const [, instruction = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      return instruction ? [[instruction, rest] as const] : [];
    });
    stages.set(name, { base, steps });
  }
  return stages;
}

function copy(
  from: string,
  sources: readonly string[],
  target: string,
  inImage: (path: string) => string,
  isContext: boolean,
): void {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  const ignored = new Set(lines.filter((line) => /^\*\*\/[\w.-]+$/.test(line)).map((line) => line.slice(3)));
  for (const pattern of sources) {
    const found = globSync(pattern.replace(/^\//, ''), { cwd: from });
    if (found.length === 0) throw new Error(`COPY ${pattern}: there is nothing`);
    for (const source of found) {
      if (isContext && !allowed.some((path) => source === path || source.startsWith(`${path}/`)))
        throw new Error(`COPY ${source}: .dockerignore does not let it through`);
      const isFolder = statSync(join(from, source)).isDirectory();
      const to = inImage(target.endsWith('/') || target === './' ? join(target, basename(source)) : target);
      mkdirSync(dirname(to), { recursive: true });
      // A stage's packages are a link to this checkout's.
      cpSync(join(from, source), to, {
        recursive: isFolder,
        verbatimSymlinks: true,
        filter: (path) => !isContext || !ignored.has(basename(path)),
      });
    }
  }
}
