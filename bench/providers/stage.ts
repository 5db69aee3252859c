import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SinkReply, type SinkRequest, sinkProcess } from 'push-emulator';
import { Peer } from '../support/child.ts';
import { cpuBetween, cpuByThread, peakRssMiB, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { type Result, result } from '../support/suite.ts';
import type { SenderReply, SenderRequest, SinkAddress, Subject, Vendor } from './messages.ts';

type Listening = Extract<SinkReply, { type: 'listening' }>;
type Counts = Extract<SinkReply, { type: 'counts' }>;
type Sent = Extract<SenderReply, { type: 'sent' }>;

/** Before it is measured a sender has connections, tokens and compiled code. */
const WARM_UP = 2_000;
const HOLD_STEP = 50_000;

interface RunningSink extends SinkAddress {
  readonly peer: Peer<SinkRequest>;
}

export interface Measured {
  readonly vendor: Vendor;
  readonly result: Result;
  /** µs of CPU of the sink for a push. */
  readonly sinkMicros: number;
  readonly failures: readonly string[];
}

/** The sinks and the processes that send to them, one at a time. */
export class ProviderStage {
  readonly #folder: string;
  readonly #threads: number;
  readonly #progress: Progress;
  readonly #sinks = new Map<string, Promise<RunningSink>>();
  #next = 0;

  constructor(folder: string, threads: number, progress: Progress) {
    this.#folder = folder;
    this.#threads = threads;
    this.#progress = progress;
  }

  get conditions(): string[] {
    return [
      `a sink on the same machine over TLS and HTTP/2, in a process of its own, which checks no credentials and counts each target; ${WARM_UP.toLocaleString('en')} pushes before each measurement`,
      `carillon: ${this.#threads} sender threads, 16 batches under way; firebase-admin: sendEach of 500, two calls under way; node-apn: 1,000 a call, two under way; web-push: 100 requests under way, connections kept`,
      'latency is from handing a push over (its batch, its call) to its outcome; HMS carries 1,000 pushes in a request',
    ];
  }

  /** firebase-admin's requests need a reader of frames before the sink, which costs CPU: it has a sink of its own. */
  async sinkFor(subject: Subject): Promise<RunningSink> {
    const takesSchemeColon = subject === 'firebase-admin';
    const key = String(takesSchemeColon);
    let sink = this.#sinks.get(key);
    if (!sink) {
      sink = this.#startSink(takesSchemeColon);
      this.#sinks.set(key, sink);
    }
    return sink;
  }

  async measure(vendor: Vendor, subject: Subject, count: number): Promise<Measured> {
    this.#progress.step(`${vendor}, ${subject}: ${count.toLocaleString('en')} pushes`);
    const sink = await this.sinkFor(subject);
    return this.#withSender(vendor, subject, sink, async (sender) => {
      const round = await this.#round(sender, sink, count);
      const name = `${vendor} to ${count.toLocaleString('en')}`;
      const { cpuMicros, sinkMicros, seconds, sent, problems } = round;
      const figures = {
        perSecond: count / seconds,
        cpuMicros,
        p50Ms: sent.p50Ms,
        p99Ms: sent.p99Ms,
        rssMiB: peakRssMiB(sender.pid),
      };
      return {
        vendor,
        result: result(name, subject, figures),
        sinkMicros,
        failures: problems.map((problem) => `${name}, ${subject}: ${problem}`),
      };
    });
  }

  /** Sends step after step until the time is over. */
  async hold(
    vendor: Vendor,
    seconds: number,
  ): Promise<{ result: Result; failures: string[]; total: number; lasted: number }> {
    const sink = await this.sinkFor('carillon');
    this.#progress.step(`${vendor}, carillon: for ${seconds} s`);
    return this.#withSender(vendor, 'carillon', sink, async (sender) => {
      const startedAt = performance.now();
      const rounds = [];
      while (performance.now() - startedAt < seconds * 1000) {
        rounds.push(await this.#round(sender, sink, HOLD_STEP));
        this.#progress.update(`${rounds.length * HOLD_STEP} pushes`);
      }
      const lasted = (performance.now() - startedAt) / 1000;
      const total = rounds.length * HOLD_STEP;
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const figures = {
        perSecond: total / lasted,
        cpuMicros: mean(rounds.map(({ cpuMicros }) => cpuMicros)),
        p50Ms: mean(rounds.map(({ sent }) => sent.p50Ms)),
        p99Ms: Math.max(...rounds.map(({ sent }) => sent.p99Ms)),
        rssMiB: peakRssMiB(sender.pid),
      };
      const failures = rounds.flatMap(({ problems }) => problems);
      return { result: result(`${vendor} for ${seconds} s`, 'carillon', figures), failures, total, lasted };
    });
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks.values()) await (await sink).peer.stop();
  }

  async #startSink(takesSchemeColon: boolean): Promise<RunningSink> {
    const peer = new Peer<SinkRequest>('the sink', sinkProcess());
    const { url, ca } = await peer.ask<Listening>({ type: 'listen', takesSchemeColon }, 'listening');
    return { peer, url, ca };
  }

  async #withSender<T>(
    vendor: Vendor,
    subject: Subject,
    sink: RunningSink,
    body: (sender: Peer<SenderRequest>) => Promise<T>,
  ): Promise<T> {
    const caFile = join(this.#folder, `${subject}.pem`);
    writeFileSync(caFile, sink.ca);
    const sender = new Peer<SenderRequest>(subject, new URL('./sender-process.ts', import.meta.url), {
      env: { NODE_EXTRA_CA_CERTS: caFile },
    });
    try {
      const { url, ca } = sink;
      const request = { subject, vendor, sink: { url, ca }, threads: this.#threads } as const;
      await sender.ask({ type: 'prepare', ...request }, 'ready');
      await this.#round(sender, sink, WARM_UP);
      return await body(sender);
    } finally {
      await sender.stop();
    }
  }

  async #round(sender: Peer<SenderRequest>, { peer: sink }: RunningSink, count: number) {
    await sink.ask({ type: 'expect', count }, 'expecting');
    const before = [cpuByThread(sender.pid), cpuByThread(sink.pid)] as const;
    const startedAt = performance.now();
    const sent = await sender.ask<Sent>({ type: 'send', from: this.#next, count }, 'sent');
    const seconds = (performance.now() - startedAt) / 1000;
    const [cpu, sinkCpu] = [sender.pid, sink.pid].map((pid, at) =>
      totalCpu(cpuBetween(before[at] as (typeof before)[0], cpuByThread(pid))),
    ) as [number, number];
    const counts = await sink.ask<Counts>({ type: 'counts' }, 'counts');
    this.#next += count;
    const problems = [
      ...(sent.accepted < count ? [`${count - sent.accepted} were not accepted`] : []),
      ...(counts.distinct < count ? [`${count - counts.distinct} were lost`] : []),
      ...(counts.doubled > 0 ? [`${counts.doubled} were doubled`] : []),
    ];
    return { sent, seconds, cpuMicros: cpu / count, sinkMicros: sinkCpu / count, problems };
  }
}
