/** `npm run check`: format, lint, types and import direction. Runs all, shows what failed, exits 1 if any did. */
import { spawnSync } from 'node:child_process';
import { checkImports } from './check-imports.ts';
import { configurationDocs } from './docs-options.ts';

const fix = process.argv.includes('--fix');
const STEPS: [name: string, command: string, args: string[]][] = [
  ['format and lint', 'biome', fix ? ['check', '--write', '.'] : ['ci', '.']],
  ['types: servers, scripts, tests', 'tsc', ['-p', '.']],
  ['types: front end', 'tsc', ['-p', 'apps/grandchat/web']],
  ['types: push client', 'tsc', ['-p', 'packages/push-client']],
];

const failed: string[] = [];
for (const [name, command, args] of STEPS) {
  console.log(`── ${name}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) failed.push(name);
}

console.log('── import direction');
const violations = checkImports();
for (const violation of violations) console.error(violation);
if (violations.length > 0) failed.push('import direction');

console.log('── docs: table of options');
const docs = configurationDocs();
if (docs.current !== docs.wanted) {
  console.error('docs/configuration.md does not show the options as they are: npm run docs');
  failed.push('docs');
}

console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`);
process.exitCode = failed.length === 0 ? 0 : 1;
