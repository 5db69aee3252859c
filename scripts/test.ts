/**
 * `npm test`: every test, with what it needs: system packages, a PostgreSQL of its own, the built front end.
 *
 *   npm test                     all
 *   npm test -- unit | e2e       one half
 *   npm test -- <file> …         these files
 *   npm test -- --no-install     install no system packages: name what is missing and skip what needs it
 */
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { buildWeb } from './setup/build-web.ts';
import { buildCentrifugo, hasCentrifugo } from './setup/centrifugo.ts';
import { ensureKafkaJars } from './setup/kafka-jars.ts';
import { ensureSystemPackages } from './setup/system-packages.ts';
import { startTestPostgres } from './setup/test-postgres.ts';

const UNIT = [
  'packages/*/test/**/*.test.ts',
  'apps/grandchat/*/test/**/*.test.ts',
  'scripts/test/**/*.test.ts',
];
const E2E = ['e2e/**/*.test.ts'];

const flags = process.argv.slice(2).filter((arg) => arg.startsWith('--'));
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const files = {
  unit: pick('unit', UNIT),
  e2e: pick('e2e', E2E),
};
const count = { passed: 0, failed: 0, skipped: 0 };

const install = !flags.includes('--no-install');
const missing = ensureSystemPackages({ install });
if (!missing.includes('kafka') && !(await ensureKafkaJars({ install }))) missing.push('kafka');
const postgres =
  missing.includes('postgresql') || process.env.TEST_DATABASE_URL ? undefined : await startTestPostgres();
if (postgres) process.env.TEST_DATABASE_URL = postgres.dsn;
// Test files ask for it by `requires()`, and skip themselves with the service's name.
process.env.TEST_MISSING_SERVICES = missing
  .filter((service) => service !== 'postgresql' || !process.env.TEST_DATABASE_URL)
  .join(',');

try {
  if (files.e2e.length > 0) await buildWeb();
  const wantsCentrifugo = files.e2e.some((file) => file.includes('centrifugo')) && hasCentrifugo();
  // Beside the unit tests, at a lower priority. When it fails, its own tests do, too; the others can run.
  const centrifugo = wantsCentrifugo
    ? buildCentrifugo().catch((error: Error) => console.error(error.message))
    : undefined;
  await runFiles(files.unit, availableParallelism());
  await centrifugo;
  await runFiles(files.e2e, 1);
} finally {
  postgres?.stop();
}
if (missing.length > 0) {
  console.log(`Skipped for want of: ${missing.join(', ')}.`);
}
console.log(
  `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}`,
);
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;

function pick(half: string, globs: string[]): string[] {
  const all = globSync(globs, { exclude: (name) => name === 'node_modules' }).sort();
  if (wanted.length === 0 || wanted.includes(half)) return all;
  return all.filter((file) => wanted.some((name) => file.includes(name)));
}

async function runFiles(paths: string[], concurrency: number): Promise<void> {
  if (paths.length === 0) return;
  // The official client takes what browsers have: server-sent events, too.
  const execArgv = ['--experimental-eventsource', '--disable-warning=ExperimentalWarning'];
  const stream = run({ files: paths, concurrency, timeout: 180_000, execArgv });
  const isTest = (details: object) => (details as { type?: string }).type !== 'suite';
  stream.on('test:pass', ({ skip, details }) => {
    if (skip !== undefined) count.skipped += 1;
    else if (isTest(details)) count.passed += 1;
  });
  stream.on('test:fail', ({ details }) => {
    if (isTest(details)) count.failed += 1;
  });
  const report = stream.compose(new spec());
  for await (const text of report) process.stdout.write(text);
}
