import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SinkReply, type SinkRequest, sinkProcess } from 'push-emulator';
import { go } from '../../e2e/support/sdks.ts';
import { Peer } from '../support/child.ts';
import { cpuBetween, cpuByThread, peakRssMiB, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { type Result, result } from '../support/suite.ts';
import type { SenderReply, SenderRequest, ServerPlace, SinkAddress, Subject, Vendor } from './messages.ts';

type Listening = Extract<SinkReply, { type: 'listening' }>;
type Counts = Extract<SinkReply, { type: 'counts' }>;
type Ready = Extract<SenderReply, { type: 'ready' }>;
type Sent = Extract<SenderReply, { type: 'sent' }>;

/**
 * Before it is measured a sender has connections, tokens and compiled code: firebase-admin is at its best after some
 * 60,000 pushes, Carillon after as many in each thread.
 */
const WARM_UP: Record<Vendor, number> = { fcm: 100_000, apns: 100_000, hms: 300_000, webpush: 10_000 };
const HOLD_STEP = 50_000;
const GORUSH = join(import.meta.dirname, 'gorush');

interface RunningSink extends SinkAddress {
  readonly peer: Peer<SinkRequest>;
}

interface RunningSender {
  readonly peer: Peer<SenderRequest>;
  readonly sink: RunningSink;
  /** Whose CPU and memory count. */
  readonly pids: readonly number[];
}

export interface Case {
  readonly vendor: Vendor;
  readonly subject: Subject;
  readonly count: number;
  /** Sender threads of Carillon, if not the stage's. */
  readonly threads?: number;
}

/** How long everything is measured. */
export interface Extent {
  readonly rounds: number;
  /** Of the usual warm-up. */
  readonly warmUpShare: number;
}

/** What came to the sink, and how many of the pushes sent never did. */
export interface Arrived {
  readonly received: number;
  readonly distinct: number;
  readonly doubled: number;
  readonly lost: number;
}

export interface Measured {
  readonly measured: Case;
  readonly result: Result;
  /** µs of CPU of the sink for a push. */
  readonly sinkMicros: number;
  readonly failures: readonly string[];
}

interface Round {
  readonly sent: Sent;
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly sinkMicros: number;
  readonly problems: readonly string[];
}

/** The sink and the processes that send to it, one at a time. */
export class ProviderStage {
  readonly #folder: string;
  readonly #threads: number;
  readonly #progress: Progress;
  readonly #extent: Extent;
  readonly #sinkPort: number;
  #sink: Promise<RunningSink> | undefined;
  #next = 0;

  /** @param sinkPort 0: any that is free */
  constructor(folder: string, threads: number, extent: Extent, progress: Progress, sinkPort = 0) {
    this.#extent = extent;
    this.#folder = folder;
    this.#threads = threads;
    this.#progress = progress;
    this.#sinkPort = sinkPort;
  }

  get conditions(): string[] {
    return [
      `a sink on the same machine over TLS and HTTP/2, in a process of its own, which checks no credentials and counts each target; before each measurement the same subject sends ${warmUps(this.#extent)}; all of a vendor take turns, and of ${this.#extent.rounds} rounds the median counts`,
      `carillon: ${this.#threads} sender threads, 16 batches under way, unless the subject says other; firebase-admin: sendEach of 500, two calls under way; gorush: 8 workers, which send 500 at a time, 16 requests of 500 under way; node-apn: 1,000 a call, two under way; web-push: 100 requests under way, connections kept; node:http2: as many threads with 100 requests under way each, which do nothing else: what Node’s own HTTP/2 can do`,
      'latency is from handing a push over (its batch, its call) to its outcome; HMS carries 1,000 pushes in a request',
    ];
  }

  /** The same one for all. */
  sink(): Promise<RunningSink> {
    this.#sink ??= this.#startSink();
    return this.#sink;
  }

  /**
   * Measures those who are to be compared in turns, round after round, so that all have the same share of what else goes
   * on on the machine. Of each the median round counts, by pushes per second.
   */
  async measure(cases: readonly Case[]): Promise<Measured[]> {
    const senders: RunningSender[] = [];
    const all: Round[][] = cases.map(() => []);
    try {
      for (const one of cases) {
        this.#progress.step(`${one.vendor}, ${calledOf(one)}: warm-up`);
        senders.push(await this.#startSender(one));
      }
      for (let round = 1; round <= this.#extent.rounds; round++) {
        for (const [at, one] of cases.entries()) {
          this.#progress.step(`${one.vendor}, ${calledOf(one)}: ${one.count.toLocaleString('en')} pushes`);
          const sender = senders[at] as RunningSender;
          await sender.sink.peer.ask({ type: 'expect', count: one.count }, 'expecting');
          const round = await this.#send(sender, one.count);
          const arrived = await this.#arrived(sender.sink, one.count);
          const problems = problemsOf(arrived, one.count - round.sent.accepted);
          all[at]?.push({ ...round, problems });
        }
      }
      return cases.map((one, at) => measuredOf(one, all[at] ?? [], senders[at]?.pids ?? []));
    } finally {
      for (const { peer } of senders) await peer.stop();
    }
  }

  /** Sends step after step until the time is over; the sink counts all steps as one. */
  async hold(vendor: Vendor, seconds: number) {
    this.#progress.step(`${vendor}, carillon: for ${seconds} s`);
    const sender = await this.#startSender({ vendor, subject: 'carillon', count: HOLD_STEP });
    const { sink } = sender;
    try {
      await sink.peer.ask({ type: 'expect', count: Number.MAX_SAFE_INTEGER }, 'expecting');
      const startedAt = performance.now();
      const steps = [];
      while (performance.now() - startedAt < seconds * 1000) {
        steps.push(await this.#send(sender, HOLD_STEP));
        this.#progress.update(`${steps.length * HOLD_STEP} pushes`);
      }
      const lasted = (performance.now() - startedAt) / 1000;
      const total = steps.length * HOLD_STEP;
      const arrived = await this.#arrived(sink, total);
      const refused = steps.reduce((sum, { sent }) => sum + HOLD_STEP - sent.accepted, 0);
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const figures = {
        perSecond: total / lasted,
        cpuMicros: mean(steps.map(({ cpuMicros }) => cpuMicros)),
        p50Ms: mean(steps.map(({ sent }) => sent.p50Ms)),
        p99Ms: Math.max(...steps.map(({ sent }) => sent.p99Ms)),
        rssMiB: rssOf(sender.pids),
      };
      return {
        result: result(`${vendor} for ${seconds} s`, 'carillon', figures),
        sinkMicros: mean(steps.map(({ sinkMicros }) => sinkMicros)),
        failures: problemsOf(arrived, refused),
        arrived,
        total,
        lasted,
      };
    } finally {
      await sender.peer.stop();
    }
  }

  async close(): Promise<void> {
    await (await this.#sink)?.peer.stop();
  }

  async #startSink(): Promise<RunningSink> {
    const peer = new Peer<SinkRequest>('the sink', sinkProcess());
    const listen = { type: 'listen', port: this.#sinkPort } as const;
    const { url, ca } = await peer.ask<Listening>(listen, 'listening');
    return { peer, url, ca };
  }

  async #gorush(): Promise<ServerPlace> {
    this.#progress.step('gorush: built, unless it was before (two minutes)');
    const [program] = await go(GORUSH, 'github.com/appleboy/gorush');
    return { program: program as string, folder: this.#folder };
  }

  /** Starts it and warms it up. */
  async #startSender({ vendor, subject, threads = this.#threads }: Case): Promise<RunningSender> {
    const sink = await this.sink();
    const caFile = join(this.#folder, `${subject}.pem`);
    writeFileSync(caFile, sink.ca);
    const server = subject === 'gorush' ? { server: await this.#gorush() } : {};
    const peer = new Peer<SenderRequest>(subject, new URL('./sender-process.ts', import.meta.url), {
      env: { NODE_EXTRA_CA_CERTS: caFile, SSL_CERT_FILE: caFile },
    });
    try {
      const { url, ca } = sink;
      const request = { type: 'prepare', subject, vendor, sink: { url, ca }, threads, ...server } as const;
      const { pids } = await peer.ask<Ready>(request, 'ready');
      const sender = { peer, sink, pids };
      await this.#send(sender, WARM_UP[vendor] * this.#extent.warmUpShare);
      return sender;
    } catch (error) {
      await peer.stop();
      throw error;
    }
  }

  async #send({ peer, sink, pids }: RunningSender, count: number) {
    await peer.ask({ type: 'make', from: this.#next, count }, 'made');
    const cpu = cpuOf(pids);
    const sinkCpu = cpuOf([sink.peer.pid]);
    const startedAt = performance.now();
    const sent = await peer.ask<Sent>({ type: 'send' }, 'sent');
    const seconds = (performance.now() - startedAt) / 1000;
    this.#next += count;
    return { sent, seconds, cpuMicros: cpu() / count, sinkMicros: sinkCpu() / count };
  }

  /** What came since the sink was told to expect. */
  async #arrived({ peer: sink }: RunningSink, count: number): Promise<Arrived> {
    const { received, distinct, doubled } = await sink.ask<Counts>({ type: 'counts' }, 'counts');
    return { received, distinct, doubled, lost: count - distinct };
  }
}

/** Gives back what tells how many µs of CPU they have used since. */
function cpuOf(pids: readonly number[]): () => number {
  const before = pids.map((pid) => [pid, cpuByThread(pid)] as const);
  return () => before.reduce((sum, [pid, cpu]) => sum + totalCpu(cpuBetween(cpu, cpuByThread(pid))), 0);
}

function rssOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + peakRssMiB(pid), 0);
}

function calledOf({ subject, threads }: Case): string {
  return [subject, ...(threads ? [`${threads} thread${threads > 1 ? 's' : ''}`] : [])].join(', ');
}

function measuredOf(measured: Case, rounds: readonly Round[], pids: readonly number[]): Measured {
  const { vendor, count } = measured;
  const name = `${vendor} to ${count.toLocaleString('en')}`;
  const middle = rounds.toSorted((one, other) => one.seconds - other.seconds)[rounds.length >> 1] as Round;
  const { seconds, cpuMicros, sinkMicros, sent } = middle;
  const figures = {
    perSecond: count / seconds,
    cpuMicros,
    p50Ms: sent.p50Ms,
    p99Ms: sent.p99Ms,
    rssMiB: rssOf(pids),
  };
  const problems = rounds.flatMap((round) => round.problems);
  return {
    measured,
    result: result(name, calledOf(measured), figures),
    sinkMicros,
    failures: problems.map((problem) => `${name}, ${calledOf(measured)}: ${problem}`),
  };
}

function problemsOf({ doubled, lost }: Arrived, refused: number): string[] {
  return [
    ...(refused > 0 ? [`${refused} were not accepted`] : []),
    ...(lost > 0 ? [`${lost} were lost`] : []),
    ...(lost < 0 ? [`${-lost} came that were not sent`] : []),
    ...(doubled > 0 ? [`${doubled} were doubled`] : []),
  ];
}

function warmUps({ warmUpShare }: Extent): string {
  const each = Object.entries(WARM_UP).map(
    ([vendor, count]) => `${(count * warmUpShare).toLocaleString('en')} (${vendor})`,
  );
  return each.join(', ');
}
