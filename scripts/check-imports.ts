/**
 * Imports point one way (ARCHITECTURE.md): inside `carillon` only to the layers listed here, and between packages only
 * to their entry points.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const CARILLON = 'packages/carillon/src';

/** Layer → the layers it may import from, besides itself. Top-level files of `src` are the composition root. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  storage: [],
  config: ['push/providers'],
  metrics: [],
  'push/providers': ['config'],
  'push/devices': ['storage', 'config', 'push/providers'],
  'push/queue': ['storage', 'config', 'push/providers', 'push/devices'],
  'push/status': ['storage', 'config', 'push/providers', 'push/devices', 'push/queue', 'push/send'],
  'push/send': ['storage', 'config', 'push/providers', 'push/devices', 'push/queue'],
  'push/worker': [
    'storage',
    'config',
    'push/providers',
    'push/devices',
    'push/queue',
    'push/send',
    'push/status',
  ],
  push: [
    'storage',
    'config',
    'push/providers',
    'push/devices',
    'push/queue',
    'push/send',
    'push/status',
    'push/worker',
  ],
  realtime: ['config', 'storage'],
  consumers: ['storage', 'config'],
  api: [
    'config',
    'realtime',
    'push',
    'push/providers',
    'push/devices',
    'push/queue',
    'push/send',
    'push/status',
    'push/worker',
  ],
};
/** Files that every layer may use: they import nothing but types of the standard library. */
const SHARED = new Set(['errors.ts', 'health.ts', 'logger.ts', 'steady-ticks.ts']);

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|import\(['"]([^'"]+)['"]\)/gm;

/** One line per import that goes the wrong way; empty when all is well. */
export function checkImports(): string[] {
  const files = globSync('{packages/*/src,apps/grandchat/*/src}/**/*.{ts,tsx}', { cwd: ROOT });
  return files.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return [...text.matchAll(IMPORT)].flatMap((match) => {
      const specifier = match[1] ?? match[2] ?? match[3] ?? '';
      const problem = problemWith(file, specifier);
      return problem ? [`${file}: ${problem}`] : [];
    });
  });
}

function problemWith(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) {
    if (/^carillon\/./.test(specifier))
      return `imports ${specifier}: only the package's entry point is public`;
    return undefined;
  }
  const target = relative(ROOT, join(ROOT, dirname(file), specifier));
  const packageOf = (path: string) =>
    path
      .split('/')
      .slice(0, path.startsWith('apps') ? 3 : 2)
      .join('/');
  if (packageOf(file) !== packageOf(target)) return `reaches into ${target}: import the package instead`;
  if (!file.startsWith(CARILLON) || file.startsWith(`${CARILLON}/cli/`)) return undefined;
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === undefined || from === to || SHARED.has(relative(CARILLON, target))) return undefined;
  if (to !== undefined && MAY_IMPORT[from]?.includes(to)) return undefined;
  return `${from} must not import ${to ?? relative(CARILLON, target)} (${specifier})`;
}

/** The layer of a file in `carillon/src`; undefined for its top-level files. */
function layerOf(file: string): string | undefined {
  const path = relative(CARILLON, file);
  return Object.keys(MAY_IMPORT)
    .filter((layer) => path.startsWith(`${layer}/`))
    .sort((a, b) => b.length - a.length)[0];
}
