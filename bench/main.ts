/** `npm run bench -- <suite> [--quick] [--json FILE]`: measurements, each printed with its machine and conditions. */
import { writeFileSync } from 'node:fs';
import { exitOnSignals } from '../scripts/setup/at-exit.ts';
import { latencySuite } from './suites/latency.ts';
import { providersSuite } from './suites/providers.ts';
import { pushSuite } from './suites/push.ts';
import { realtimeSuite } from './suites/realtime.ts';
import { registrySuite } from './suites/registry.ts';
import { roomsSuite } from './suites/rooms.ts';
import { webPushSuite } from './suites/webpush.ts';
import { type Arguments, readArguments, UsageError, usage } from './support/args.ts';
import { machine, machineWords } from './support/machine.ts';
import { createProgress } from './support/progress.ts';
import { table } from './support/table.ts';

const SUITES = [
  pushSuite,
  providersSuite,
  registrySuite,
  webPushSuite,
  latencySuite,
  roomsSuite,
  realtimeSuite,
];

exitOnSignals();
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const given = readArguments(args, SUITES);
    if (given) return await run(given);
    console.log(usage(SUITES));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench: ${error.message}.\n\n${usage(SUITES)}`);
    return 2;
  }
}

/** @returns the exit code: 1 when the suite found its own measurement wrong */
async function run({ suite, quick, json, flags }: Arguments): Promise<number> {
  const progress = createProgress();
  const report = await suite.run({ quick, flags, progress }).finally(() => progress.done());
  const { conditions, results, notes = [], failures = [] } = report;
  const where = machine();
  console.log(`\n${suite.name}: ${suite.description}`);
  console.log(machineWords(where));
  for (const condition of conditions) console.log(`· ${condition}`);
  if (results.length > 0) console.log(`\n${report.table ?? table(results)}`);
  if (notes.length > 0) console.log(`\n${notes.join('\n')}`);
  if (json !== undefined) {
    const content = { suite: suite.name, machine: where, results };
    writeFileSync(json, `${JSON.stringify(content, null, 2)}\n`);
    console.log(`\nWritten to ${json}.`);
  }
  for (const failure of failures) console.error(`\nFAILED: ${failure}`);
  return failures.length > 0 ? 1 : 0;
}
