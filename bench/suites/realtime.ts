/**
 * Real time beside its peers: memory of connections that are held, deliveries a second when one channel fans out, and how
 * long a publication takes. One client for all (a bare one, so that it is not what is measured), one run, one machine.
 */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import type { ClientsRequest, FanoutAnswer, LatencyAnswer, OpenedAnswer } from '../realtime/messages.ts';
import { carillonSubject, centrifugoSubject, type Subject, socketIoSubject } from '../realtime/subjects.ts';
import { Peer } from '../support/child.ts';
import { cpuBetween, cpuByThread, totalCpu } from '../support/process-usage.ts';
import { percentile } from '../support/statistics.ts';
import { type Result, type RunOptions, result, type Suite, type SuiteReport } from '../support/suite.ts';

const SUBSCRIBERS = [1, 1_000, 5_000];
const PAUSE_MS = 5;

interface Extent {
  readonly held: number;
  /** In each case, whatever the number of subscribers. */
  readonly deliveries: number;
  /** With one subscriber a delivery costs a whole call of the API. */
  readonly single: number;
  readonly latencies: number;
  /** The same with many subscribers. */
  readonly crowdLatencies: number;
  /** A garbage collection, and buffers of the handshake, are behind it then. */
  readonly settleMs: number;
}
const WHOLE: Extent = {
  held: 5_000,
  deliveries: 1_000_000,
  single: 20_000,
  latencies: 500,
  crowdLatencies: 100,
  settleMs: 3_000,
};
const QUICK: Extent = {
  held: 2_000,
  deliveries: 200_000,
  single: 5_000,
  latencies: 200,
  crowdLatencies: 30,
  settleMs: 2_000,
};

const SUBJECTS = { carillon: carillonSubject, centrifugo: centrifugoSubject, 'socket.io': socketIoSubject };

export const realtimeSuite: Suite = {
  name: 'realtime',
  description: 'connections held, fan-out and latency, beside Centrifugo and Socket.IO',
  run: measureAll,
};

async function measureAll({ quick, progress }: RunOptions): Promise<SuiteReport> {
  const extent = quick ? QUICK : WHOLE;
  const results: Result[] = [];
  for (const [name, start] of Object.entries(SUBJECTS)) {
    progress.step(`${name}: connections held`);
    results.push(await withSubject(start, (subject, clients) => hold(subject, clients, extent)));
    for (const subscribers of SUBSCRIBERS) {
      progress.step(`${name}: ${subscribers} subscribers`);
      results.push(
        ...(await withSubject(start, (subject, clients) => fanOut(subject, clients, subscribers, extent))),
      );
    }
  }
  return {
    conditions: [
      `${extent.held} connections held, each subscribed to one channel; peak RSS is of the server then, its start taken off`,
      'fan-out: a publication of 128 bytes of text by POST /api/publish, four under way at once, counted at the clients',
      `latency: ${extent.latencies} publications (${extent.crowdLatencies} to many) one by one, ${PAUSE_MS} ms apart, from the call to its arrival at the last subscriber`,
      'clients and publisher in one process beside the server, on the same cores; no history, no token, no compression',
      `load average at the end ${loadavg()[0]?.toFixed(1)}`,
    ],
    results: results.toSorted((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true })),
    notes: ratios(results),
  };
}

async function withSubject<T>(
  start: () => Promise<Subject>,
  body: (subject: Subject, clients: Peer<ClientsRequest>) => Promise<T>,
): Promise<T> {
  const subject = await start();
  const clients = new Peer<ClientsRequest>(
    'the clients',
    new URL('../realtime/clients-process.ts', import.meta.url),
  );
  try {
    return await body(subject, clients);
  } finally {
    await clients.stop();
    await subject.stop();
  }
}

async function hold(
  subject: Subject,
  clients: Peer<ClientsRequest>,
  { held: count, settleMs }: Extent,
): Promise<Result> {
  await settle(settleMs);
  const before = rssMiB(subject.pid);
  const { seconds } = await open(subject, clients, count);
  await settle(settleMs);
  const grown = rssMiB(subject.pid) - before;
  return result(`${count} connections held`, subject.name, {
    perSecond: count / seconds,
    rssMiB: grown,
  });
}

async function fanOut(
  subject: Subject,
  clients: Peer<ClientsRequest>,
  subscribers: number,
  extent: Extent,
): Promise<Result[]> {
  await open(subject, clients, subscribers);
  const total = subscribers === 1 ? extent.single : extent.deliveries;
  const publications = Math.ceil(total / subscribers);
  await ask(clients, Math.ceil(publications / 10));
  const before = cpuByThread(subject.pid);
  const { seconds, deliveries } = await ask(clients, publications);
  const cpu = totalCpu(cpuBetween(before, cpuByThread(subject.pid)));
  const { ms } = await clients.ask<LatencyAnswer>(
    {
      kind: 'latency',
      publications: subscribers === 1 ? extent.latencies : extent.crowdLatencies,
      pauseMs: PAUSE_MS,
    },
    'latencies',
  );
  return [
    result(`fan-out to ${subscribers}`, subject.name, {
      perSecond: deliveries / seconds,
      cpuMicros: cpu / deliveries,
    }),
    result(`latency to ${subscribers}`, subject.name, {
      p50Ms: percentile(ms, 0.5),
      p99Ms: percentile(ms, 0.99),
    }),
  ];
}

function open(subject: Subject, clients: Peer<ClientsRequest>, count: number): Promise<OpenedAnswer> {
  const { port, dialect } = subject;
  return clients.ask<OpenedAnswer>({ kind: 'open', count, server: { port, dialect } }, 'opened');
}

function ask(clients: Peer<ClientsRequest>, publications: number): Promise<FanoutAnswer> {
  return clients.ask<FanoutAnswer>({ kind: 'fanout', publications }, 'fanned out');
}

/** Connections held in a GiB, and Carillon against each peer. */
function ratios(results: readonly Result[]): string[] {
  const held = results.filter((row) => row.case.endsWith('held'));
  const lines = held.map((row) => {
    const count = Number.parseInt(row.case, 10);
    return `${row.subject}: ${Math.round(((row.rssMiB ?? 0) * 1024) / count)} KiB a connection, ${Math.round((count / (row.rssMiB ?? 1)) * 1024).toLocaleString('en')} in a GiB`;
  });
  for (const row of results) {
    if (row.subject !== 'carillon' || !row.case.startsWith('fan-out')) continue;
    const against = results.filter((peer) => peer.case === row.case && peer.subject !== 'carillon');
    const words = against.map(
      (peer) => `${((row.perSecond ?? 0) / (peer.perSecond ?? 1)).toFixed(2)} × ${peer.subject}`,
    );
    lines.push(`${row.case}: carillon has ${words.join(', ')} deliveries a second`);
  }
  return lines;
}

function rssMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function settle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
