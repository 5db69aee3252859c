/**
 * What a workspace forgives and an installed package does not: modules found only because another workspace depends on
 * them, and addresses of sources in texts that the compiler does not rewrite.
 */
import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import type { PackedManifest } from './manifest.ts';

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\b(?:import|require)\(['"]([^'"]+)['"]\)/gm;
const SOURCE_ADDRESS = /(['"`])(\.{1,2}\/[^'"`\s]*\.ts)\1/g;

/** One line per problem of a staged package; empty when it may be packed. */
export function checkPacked(stage: string, manifest: PackedManifest): string[] {
  const allowed = new Set([manifest.name, ...Object.keys(manifest.dependencies ?? {})]);
  return globSync('dist/**/*.{js,d.ts}', { cwd: stage }).flatMap((file) => {
    const text = readFileSync(join(stage, file), 'utf8');
    const undeclared = [...text.matchAll(IMPORT)]
      .map((match) => match[1] ?? match[2] ?? match[3] ?? '')
      .filter((specifier) => !specifier.startsWith('.') && !isBuiltin(specifier))
      .map(packageOf)
      .filter((name) => !allowed.has(name));
    const sources = file.endsWith('.d.ts') ? [] : [...text.matchAll(SOURCE_ADDRESS)].map((match) => match[2]);
    return [
      ...undeclared.map((name) => `${file} imports ${name}, which is not in dependencies`),
      ...sources.map((address) => `${file} names ${address}, which is not in the package`),
    ];
  });
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
