import { openDatabase } from '../../packages/carillon/src/index.ts';
import { explainAll, type Plan } from '../registry/explain.ts';
import { fillMillion, MILLION_CONDITIONS } from '../registry/million.ts';
import { measureRegistrations, REGISTRATION_CONDITIONS } from '../registry/registrations.ts';
import { startBenchPostgres } from '../support/postgres.ts';
import { type RunOptions, result, type Suite, type SuiteReport } from '../support/suite.ts';

const COUNT = 20_000;
const QUICK_COUNT = 5_000;
/** The embedded database has one connection. */
const EMBEDDED_COUNT = 5_000;
const QUICK_EMBEDDED_COUNT = 2_000;

export const registrySuite: Suite = {
  name: 'registry',
  description: 'device_register over HTTP; the plans of every filter on a million devices',
  flags: [
    { name: 'explain', description: 'only the plans: EXPLAIN (ANALYZE, BUFFERS), a minute or two' },
    { name: 'cores', value: 'LIST', description: 'pins the server, e.g. 0,1' },
  ],
  run: (options) => (options.flags.explain ? explain(options) : register(options)),
};

async function register({ quick, flags, progress }: RunOptions): Promise<SuiteReport> {
  const cores = flags.cores as string | undefined;
  const postgres = await startBenchPostgres();
  try {
    const { dsn, drop } = await postgres.createDatabase();
    const count = quick ? QUICK_COUNT : COUNT;
    const separate = await measureRegistrations({ place: 'postgresql', dsn, count, cores }, progress);
    await drop();
    const embeddedCount = quick ? QUICK_EMBEDDED_COUNT : EMBEDDED_COUNT;
    const embedded = await measureRegistrations({ place: 'pglite', count: embeddedCount, cores }, progress);
    return {
      conditions: [
        `${count.toLocaleString('en')} registrations a case, ${embeddedCount.toLocaleString('en')} on pglite`,
        ...REGISTRATION_CONDITIONS,
        ...(cores ? [`the server runs on the cores ${cores}`] : []),
        postgres.conditions,
      ],
      results: [...separate, ...embedded],
    };
  } finally {
    await postgres.stop();
  }
}

async function explain({ quick, progress }: RunOptions): Promise<SuiteReport> {
  const postgres = await startBenchPostgres();
  try {
    const { dsn, drop } = await postgres.createDatabase();
    const db = await openDatabase({ dsn, poolSize: 1 });
    let plans: Plan[];
    try {
      await fillMillion(db, progress);
      progress.step('plans');
      plans = await explainAll(db, (name) => progress.update(name));
    } finally {
      await db.close();
      await drop();
    }
    const bad = plans.filter(({ complaints }) => complaints.length > 0);
    return {
      conditions: [
        MILLION_CONDITIONS,
        'each statement runs twice, and the second is shown',
        postgres.conditions,
      ],
      results: plans.map(({ name, ms }) => result(name, 'carillon', { p50Ms: ms })),
      notes: [
        ...(quick ? [] : plans.flatMap(({ name, lines }) => [`── ${name}`, ...lines, ''])),
        `${plans.length} plans, ${bad.length} that grow with the registry:`,
        ...bad.map(({ name, ms, complaints }) => `  ${name}: ${complaints.join(', ')} (${ms.toFixed(1)} ms)`),
      ],
    };
  } finally {
    await postgres.stop();
  }
}
