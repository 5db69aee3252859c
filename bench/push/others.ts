/** Whom Carillon is compared with: the library `web-push`, and the cryptography alone. */
import { Peer } from '../support/child.ts';
import { cpuBetween, cpuByThread, peakRssMiB, totalCpu } from '../support/process-usage.ts';
import type { Progress } from '../support/progress.ts';
import { medianBy } from '../support/statistics.ts';
import { type Result, result } from '../support/suite.ts';
import type { FloorReply, FloorRequest } from './crypto-floor.ts';
import { subscription } from './devices.ts';
import type { PeerReply, PeerRequest } from './peer-messages.ts';
import { monotonicMs } from './sink-messages.ts';
import { PAYLOAD, type Stage, SUBJECT } from './stage.ts';

type Ready = Extract<PeerReply, { type: 'ready' }>;
type Sent = Extract<PeerReply, { type: 'sent' }>;

export const IN_FLIGHT = 100;
const WARM_UP = 2_000;

interface WebPushRound {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly doubled: number;
}

/** What the others did in one turn: each of them once, right after one another. */
export interface Turn {
  readonly webPush: { readonly perSecond: number; readonly cpuMicros: number };
  /** As one would write it, and as cheap as it goes. */
  readonly floor: Pick<FloorReply, 'plain' | 'cheapest'>;
}

/**
 * The library and the cryptography, each in a process of its own that stays for the whole run. Carillon's rounds and their
 * turns alternate: how fast the machine is changes within a minute, and a ratio of neighbours does not suffer from it.
 */
export class Others {
  readonly failures: string[] = [];
  readonly #stage: Stage;
  readonly #webPush: Peer<PeerRequest>;
  readonly #floor: Peer<FloorRequest>;
  /** Devices that the library sends to in a turn. */
  readonly #count: number;
  readonly #sent: WebPushRound[] = [];
  readonly #floors: FloorReply[] = [];

  private constructor(stage: Stage, count: number) {
    this.#stage = stage;
    this.#count = count;
    const moduleOf = (name: string) => new URL(name, import.meta.url);
    this.#webPush = new Peer('the process of web-push', moduleOf('./web-push-process.ts'), stage.child);
    this.#floor = new Peer('the crypto floor', moduleOf('./crypto-floor.ts'), {
      ...stage.child,
      env: { BENCH_PLAINTEXT_BYTES: String(JSON.stringify(PAYLOAD).length) },
    });
  }

  static async open(stage: Stage, count: number, progress: Progress): Promise<Others> {
    progress.step(`web-push, ${IN_FLIGHT} requests under way, and the crypto floor: warming up`);
    const others = new Others(stage, count);
    const vapid = { subject: SUBJECT, ...stage.vapid };
    const payload = JSON.stringify(PAYLOAD);
    await others.#webPush.ask<Ready>({ type: 'prepare', vapid, payload, inFlight: IN_FLIGHT }, 'ready');
    await others.#sendByWebPush(WARM_UP);
    await others.#measureFloor();
    return others;
  }

  async turn(): Promise<Turn> {
    const webPush = await this.#sendByWebPush(this.#count);
    if (webPush.failed + webPush.doubled > 0)
      this.failures.push(`web-push: ${webPush.failed} calls failed, ${webPush.doubled} pushes doubled`);
    const floor = await this.#measureFloor();
    this.#sent.push(webPush);
    this.#floors.push(floor);
    return { webPush, floor };
  }

  /** The medians of all turns: the library, the floor as one would write it, and as cheap as it goes. */
  results(): Result[] {
    const { perSecond, cpuMicros, p50Ms, p99Ms } = medianBy(this.#sent, (round) => round.perSecond);
    const rssMiB = peakRssMiB(this.#webPush.pid);
    const [plain, cheapest] = (['plain', 'cheapest'] as const).map((kind) =>
      medianBy(
        this.#floors.map((floor) => floor[kind]),
        (cost) => cost.cpuMicros,
      ),
    );
    return [
      result(`${this.#count.toLocaleString('en')} devices`, 'web-push', {
        perSecond,
        cpuMicros,
        p50Ms,
        p99Ms,
        rssMiB,
      }),
      result('one message, hkdfSync()', 'crypto-floor', { ...plain }),
      result('one message, at its cheapest', 'crypto-floor', { ...cheapest }),
    ];
  }

  async close(): Promise<void> {
    await Promise.all([this.#webPush.stop(), this.#floor.stop()]);
  }

  async #sendByWebPush(count: number): Promise<WebPushRound> {
    const { sink } = this.#stage;
    const subscriptions = Array.from({ length: count }, (_, index) =>
      subscription(sink.origin, count, index),
    );
    const expected = await sink.expect(count, count);
    const before = cpuByThread(this.#webPush.pid);
    const since = monotonicMs();
    const { failed } = await this.#webPush.ask<Sent>({ type: 'send', subscriptions }, 'sent');
    const cpu = totalCpu(cpuBetween(before, cpuByThread(this.#webPush.pid)));
    await expected.complete();
    const { doubled, p50Ms, p99Ms, lastMs } = await expected.figures(since);
    return { perSecond: count / (lastMs / 1000), cpuMicros: cpu / count, p50Ms, p99Ms, failed, doubled };
  }

  #measureFloor(): Promise<FloorReply> {
    return this.#floor.ask<FloorReply>({ type: 'measure' }, 'floor');
  }
}
