import { type CarillonCase, type CarillonFigures, measureCarillon, WARM_UP } from '../push/carillon-case.ts';
import { audience, DEVICE_CONDITIONS } from '../push/devices.ts';
import { IN_FLIGHT, Others } from '../push/others.ts';
import { measureRss, RSS_CONDITIONS } from '../push/rss-case.ts';
import { openStage, PAYLOAD, type Place } from '../push/stage.ts';
import { listOf, UsageError } from '../support/args.ts';
import type { RunOptions, Suite, SuiteReport } from '../support/suite.ts';

/** Goals of the project, on two cores. */
const WANTED_SPEED = 3;
const WANTED_CPU = 1.6;
/** In each turn; about a second. */
const WEB_PUSH_COUNT = 2_000;
const QUICK_WEB_PUSH_COUNT = 500;
/** By the size of the audience: small ones are over in a blink. Others have one. */
const ROUNDS: Readonly<Record<number, number>> = { 1000: 15, 10000: 7, 100000: 3 };
const QUICK_ROUNDS: Readonly<Record<number, number>> = { 1000: 3 };
/**
 * To `WARM_UP`. A sender's hot code is compiled after some 15,000, what runs once a batch much later: a tenth of the CPU of a round
 * went into that after 30,000. web-push is warm after its first thousands.
 */
const WARM_UP_ROUNDS = 100;
const QUICK_WARM_UP_ROUNDS = 10;

export const pushSuite: Suite = {
  name: 'push',
  description: 'pushes to a topic through the whole server, beside the library web-push and the crypto floor',
  flags: [
    { name: 'cores', value: 'LIST', description: 'pins server, web-push and sink, e.g. 0,1' },
    {
      name: 'sender-threads',
      value: 'N',
      description: 'push_notifications.sender_threads (default 0: one a core, four at the most)',
    },
    { name: 'places', value: 'LIST', description: 'of postgresql, redis, pglite (default: all)' },
    { name: 'rss', description: 'only memory: audiences of 1,000 and 100,000 in a dry run' },
    { name: 'million', description: 'with --rss: an audience of 1,000,000, too' },
    { name: 'cpu-prof', value: 'DIR', description: 'writes CPU profiles of the server there' },
  ],
  run: (options) => (options.flags.rss ? runRss(options) : runPush(options)),
};

async function runRss({ quick, flags, progress }: RunOptions): Promise<SuiteReport> {
  if (quick && flags.million)
    throw new UsageError('push: --million takes minutes, and --quick one at the most');
  const counts = flags.million ? [100_000, 1_000_000] : [100_000];
  const cores = flags.cores as string | undefined;
  const stage = await openStage({ cores, places: ['postgresql'], progress });
  try {
    progress.step('inserting devices');
    await stage.fill('postgresql', counts.map(audience));
    const results = await measureRss(stage, counts, progress);
    return { conditions: [...stage.conditions, DEVICE_CONDITIONS, ...RSS_CONDITIONS], results };
  } finally {
    await stage.close();
  }
}

async function runPush({ quick, flags, progress }: RunOptions): Promise<SuiteReport> {
  if (flags.million) throw new UsageError('push: --million belongs to --rss');
  const senderThreads = checkThreads(flags['sender-threads'] ?? '0');
  const profileDir = flags['cpu-prof'] as string | undefined;
  const sizes: Record<Place, number[]> = quick
    ? { postgresql: [1_000, 10_000], redis: [1_000, 10_000], pglite: [1_000] }
    : { postgresql: [1_000, 10_000, 100_000], redis: [1_000, 10_000, 100_000], pglite: [1_000, 10_000] };
  const all = Object.keys(sizes) as Place[];
  const places = listOf('push', 'places', flags.places, all, all);
  const stage = await openStage({ cores: flags.cores as string | undefined, places, progress });
  let others: Others | undefined;
  try {
    progress.step('inserting devices');
    // The queue in Redis has its devices in the same PostgreSQL.
    if (places.some((place) => place !== 'pglite'))
      await stage.fill('postgresql', sizes.postgresql.map(audience));
    if (places.includes('pglite')) await stage.fill('pglite', sizes.pglite.map(audience));
    const cases = places.flatMap((place) => sizes[place].map((count) => ({ place, count, status: 'full' })));
    if (places.includes('postgresql')) cases.push({ place: 'postgresql', count: 10_000, status: 'off' });
    const roundsOf = quick ? QUICK_ROUNDS : ROUNDS;
    const warmUpRounds = quick ? QUICK_WARM_UP_ROUNDS : WARM_UP_ROUNDS;
    others = await Others.open(stage, quick ? QUICK_WEB_PUSH_COUNT : WEB_PUSH_COUNT, progress);
    const measured: CarillonFigures[] = [];
    for (const one of cases) {
      const rounds = roundsOf[one.count] ?? 1;
      const whole = { ...one, rounds, warmUpRounds, senderThreads, profileDir } as CarillonCase;
      measured.push(await measureCarillon(stage, whole, others, progress));
    }
    return {
      conditions: [
        ...stage.conditions,
        DEVICE_CONDITIONS,
        `sender_threads ${senderThreads}; payload of ${JSON.stringify(PAYLOAD).length} bytes; web-push with ${IN_FLIGHT} requests under way`,
        `each server sends ${(warmUpRounds * WARM_UP.count).toLocaleString('en')} pushes before anything is measured`,
        `in turns: web-push, the crypto floor, a round of Carillon; medians of ${roundWords(roundsOf)}`,
        'pushes per second and latencies count from the API call; CPU is that of the whole process until no job is left',
      ],
      results: [...measured.map((one) => one.result), ...others.results()],
      notes: [...threadNotes(measured), '', ...ratioNotes(measured)],
      failures: [...measured.flatMap((one) => one.failures), ...others.failures],
    };
  } finally {
    await others?.close();
    await stage.close();
  }
}

function roundWords(roundsOf: Readonly<Record<number, number>>): string {
  const each = Object.entries(roundsOf).map(
    ([count, rounds]) => `${rounds} rounds with ${Number(count).toLocaleString('en')} devices`,
  );
  return [...each, 'one with others'].join(', ');
}

function checkThreads(value: string | true): number {
  if (!/^\d{1,2}$/.test(String(value))) {
    throw new UsageError(`push: --sender-threads must be 0 to 64, got ${JSON.stringify(value)}`);
  }
  return Number(value);
}

/** Where the CPU went: the sender threads, the main thread, and the rest of Node. */
function threadNotes(measured: readonly CarillonFigures[]): string[] {
  const lines = measured.map(({ result, threads }) => {
    const of = (name: string) => threads.get(name) ?? 0;
    const [sender, main] = [of('carillon-sender'), of('node-MainThread')];
    const rest = (result.cpuMicros ?? 0) - sender - main;
    return `  ${result.case}: senders ${sender.toFixed(0)}, main thread ${main.toFixed(0)}, garbage collection and pools ${rest.toFixed(0)}`;
  });
  return ['µs of CPU a push by thread:', ...lines];
}

function ratioNotes(measured: readonly CarillonFigures[]): string[] {
  const lines = measured.map(({ result, ratios: { speed, plain, cheapest } }) => {
    const cpu = `${plain.toFixed(2)} × the floor with hkdfSync(), ${cheapest.toFixed(2)} × the floor at its cheapest`;
    return `  ${result.case}: ${speed.toFixed(2)} × web-push in pushes per second; in CPU ${cpu}`;
  });
  return [
    `Ratios, each of a round to its neighbours (wanted: at least ${WANTED_SPEED} and at most ${WANTED_CPU} on two cores):`,
    ...lines,
  ];
}
