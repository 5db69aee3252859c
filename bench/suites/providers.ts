import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ceiling, ceilingOf } from '../providers/ceiling.ts';
import { GORUSH_SINK_PORT, withoutGorush } from '../providers/gorush-sender.ts';
import type { Library } from '../providers/library-senders.ts';
import { type Subject, VENDORS, type Vendor } from '../providers/messages.ts';
import { type Case, type Extent, type Measured, ProviderStage } from '../providers/stage.ts';
import { UsageError } from '../support/args.ts';
import { type Result, type RunOptions, result, type Suite, type SuiteReport } from '../support/suite.ts';

/** Goals of the project. */
const WANTED_OVER_FIREBASE = 3;
const WANTED_A_MINUTE = 600_000;
const MOST_THREADS = 4;

const PEERS: Record<Vendor, Library | undefined> = {
  fcm: 'firebase-admin',
  apns: 'node-apn',
  hms: undefined,
  webpush: 'web-push',
};
const COUNTS: Record<Vendor, { carillon: number; peer: number }> = {
  fcm: { carillon: 100_000, peer: 50_000 },
  apns: { carillon: 100_000, peer: 30_000 },
  hms: { carillon: 1_000_000, peer: 0 },
  webpush: { carillon: 20_000, peer: 5_000 },
};
const QUICK_SHARE = 0.2;
const WHOLE: Extent = { rounds: 5, warmUpShare: 1 };
const QUICK: Extent = { rounds: 1, warmUpShare: 0.2 };

export const providersSuite: Suite = {
  name: 'providers',
  description: 'pushes through each provider into a sink on this machine, beside the vendors’ libraries',
  flags: [
    { name: 'hold', value: 'SECONDS', description: 'only FCM, for so long, counted at the sink' },
    {
      name: 'threads',
      value: 'N',
      description: 'sender threads of Carillon (default: one a core, four at the most)',
    },
  ],
  run: runProviders,
};

async function runProviders({ quick, flags, progress }: RunOptions): Promise<SuiteReport> {
  const threads = wholeNumber(flags.threads, 'threads', Math.min(availableParallelism(), MOST_THREADS));
  const folder = mkdtempSync(join(tmpdir(), 'bench-providers-'));
  const gorushLacks = await withoutGorush();
  const sinkPort = gorushLacks === undefined ? GORUSH_SINK_PORT : 0;
  const stage = new ProviderStage(folder, threads, quick ? QUICK : WHOLE, progress, sinkPort);
  try {
    if (flags.hold !== undefined) return await hold(stage, wholeNumber(flags.hold, 'hold', 60));
    const measured: Measured[] = [];
    for (const vendor of VENDORS) {
      const cases = casesOf(vendor, threads, quick ? QUICK_SHARE : 1, gorushLacks === undefined);
      measured.push(...(await stage.measure(cases)));
    }
    progress.step('the sink’s ceiling, by h2load');
    const ceiling = await ceilingOf(await stage.sink(), folder, quick ? 50_000 : 200_000);
    return {
      conditions: stage.conditions,
      results: [...measured.map((one) => one.result), ...ceilingResults(ceiling)],
      notes: [
        ...sinkNotes(measured),
        '',
        ...ratios(measured),
        ...gorushNotes(measured, gorushLacks),
        ...ceilingNotes(ceiling),
        ...(quick
          ? ['', 'A quick run ends before the senders’ code is compiled; judge by a whole one.']
          : []),
      ],
      failures: measured.flatMap(({ failures }) => failures),
    };
  } finally {
    await stage.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each vendor through Carillon by the default and by one thread, and beside its library on the same sink. */
function casesOf(vendor: Vendor, threads: number, share: number, withGorush: boolean): Case[] {
  const subject = PEERS[vendor];
  const count = COUNTS[vendor].carillon * share;
  const own = { vendor, subject: 'carillon', count } as const;
  return [
    own,
    ...(subject ? [{ vendor, subject, count: COUNTS[vendor].peer * share }] : []),
    ...(threads > 1 ? [{ ...own, threads: 1, count: count / 2 }] : []),
    ...(vendor === 'fcm' ? [{ ...own, subject: 'node:http2' } as const] : []),
    ...(vendor === 'fcm' && withGorush ? [{ ...own, subject: 'gorush' } as const] : []),
  ];
}

/** Sends for so long, step after step; what came is counted at the sink. */
async function hold(stage: ProviderStage, seconds: number): Promise<SuiteReport> {
  const { result: figures, sinkMicros, failures, arrived, total, lasted } = await stage.hold('fcm', seconds);
  const aMinute = (total / lasted) * 60;
  const verdict = aMinute >= WANTED_A_MINUTE ? 'reached' : 'missed';
  return {
    conditions: stage.conditions,
    results: [figures],
    notes: [
      `FCM, ${lasted.toFixed(1)} s: ${total.toLocaleString('en')} pushes, ${Math.round(aMinute).toLocaleString('en')} a minute; wanted ${WANTED_A_MINUTE.toLocaleString('en')}: ${verdict}.`,
      `At the sink: ${arrived.received.toLocaleString('en')} received, ${arrived.distinct.toLocaleString('en')} distinct, ${arrived.doubled} doubled, ${arrived.lost} lost; ${sinkMicros.toFixed(0)} µs of its CPU for a push.`,
    ],
    failures,
  };
}

function sinkNotes(measured: readonly Measured[]): string[] {
  const lines = measured.map(
    ({ result: { case: name, subject }, sinkMicros }) => `  ${name}, ${subject}: ${sinkMicros.toFixed(0)}`,
  );
  return ['µs of CPU of the sink for a push:', ...lines];
}

function ratios(measured: readonly Measured[]): string[] {
  return VENDORS.flatMap((vendor) => {
    const all = measured.filter((one) => one.measured.vendor === vendor);
    const peer = all.find((one) => one.measured.subject === PEERS[vendor])?.result;
    const bare = all.find((one) => one.measured.subject === 'node:http2')?.result;
    const own = all.find(
      ({ measured: { subject, threads } }) => subject === 'carillon' && threads === undefined,
    )?.result;
    if (!own || !peer) return [];
    const speed = ((own.perSecond ?? 0) / (peer.perSecond ?? Number.NaN)).toFixed(2);
    const cpu = ((peer.cpuMicros ?? 0) / (own.cpuMicros ?? Number.NaN)).toFixed(2);
    const wanted = vendor === 'fcm' ? ` (wanted: ${WANTED_OVER_FIREBASE})` : '';
    return [
      `  ${vendor}: ${speed} × ${peer.subject} in pushes per second, on the same sink${wanted}; ${cpu} × less CPU`,
      ...(bare
        ? [
            `  ${vendor}: ${ofBare(own, bare)} of what node:http2 does alone; that is ${ofBare(bare, peer)} of ${peer.subject}`,
          ]
        : []),
    ];
  });
}

function ofBare(one: Result, other: Result): string {
  return `${(((one.perSecond ?? 0) / (other.perSecond ?? Number.NaN)) * 100).toFixed(0)} %`;
}

function ceilingResults(ceiling: Ceiling | undefined): Result[] {
  return ceiling ? [result('fcm requests', 'h2load', { perSecond: ceiling.perSecond })] : [];
}

function gorushNotes(measured: readonly Measured[], lacks: string | undefined): string[] {
  if (lacks) return ['', `gorush was not measured: it ${lacks}`];
  const rate = (subject: Subject) =>
    measured.find(({ measured: one }) => one.subject === subject && one.threads === undefined)?.result
      .perSecond;
  const times = ((rate('carillon') ?? 0) / (rate('gorush') ?? Number.NaN)).toFixed(2);
  return [`  fcm: ${times} × gorush, on the same sink (wanted: 1)`];
}

function ceilingNotes(ceiling: Ceiling | undefined): string[] {
  return ceiling
    ? []
    : ['', 'The sink’s ceiling was not measured: h2load is not on this machine (Debian: nghttp2-client).'];
}

function wholeNumber(value: string | true | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback;
  if (/^[1-9]\d{0,3}$/.test(String(value))) return Number(value);
  throw new UsageError(`providers: --${name} must be 1 to 9999, got ${JSON.stringify(value)}`);
}
