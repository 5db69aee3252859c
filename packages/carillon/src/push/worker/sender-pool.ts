import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createProvider, type ProviderSetup } from '../providers/index.ts';
import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome, SendBatch } from '../providers/provider.ts';
import { packTargets, type SenderReport, type SenderRequest, unpackAcceptances } from './sender-messages.ts';
import type { SenderPool, SenderUtilization } from './senders.ts';

export interface SenderPoolOptions {
  /** 0 where nothing is sent. */
  readonly threads: number;
  readonly providers: readonly ProviderSetup[];
  readonly logger: {
    info(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  /** How long `close` waits for sends under way. Default 5 000. */
  readonly drainTimeoutMs?: number;
  /** A thread that dies younger than this is replaced only after as long. Default 1 000. */
  readonly respawnDelayMs?: number;
  /** The module that a thread runs; tests give a broken one. */
  readonly threadModule?: URL;
}

/** What a thread has to end by itself before it is terminated. */
const EXIT_TIMEOUT_MS = 2_000;

interface BatchUnderWay {
  /** By index: 1 where there is no outcome yet. */
  readonly open: Uint8Array;
  readonly report: (outcome: Outcome) => void;
  readonly finish: () => void;
}

/**
 * Starts the sender threads.
 *
 * A batch goes to the thread with the fewest targets under way. When a thread dies, the targets that it had not
 * reported end as `retry` with code `sender_crashed` (they may or may not have been sent), and another takes its
 * place. A thread that dies young is replaced after a pause: what broke it is probably still there.
 *
 * @throws Error that names the option when a provider's configuration is wrong: found here, not in the threads
 */
export function createSenderPool(options: SenderPoolOptions): SenderPool {
  const { threads, providers, logger } = options;
  for (const setup of providers) void createProvider(setup).close();
  const lanes = new Set(providers.map(({ lane }) => lane));
  const drainTimeoutMs = options.drainTimeoutMs ?? 5_000;
  const respawnDelayMs = options.respawnDelayMs ?? 1_000;
  const module = options.threadModule ?? threadModule();
  const closing = new AbortController();
  const slots: SenderThread[] = Array.from({ length: threads }, (_, number) => start(number));

  function start(number: number): SenderThread {
    const startedAt = performance.now();
    return new SenderThread(module, providers, (error) => {
      if (closing.signal.aborted) return;
      logger.error({ thread: number, err: error }, 'a sender thread ended; it is replaced');
      const isYoung = performance.now() - startedAt < respawnDelayMs;
      delay(isYoung ? respawnDelayMs : 0, undefined, { signal: closing.signal }).then(
        () => {
          slots[number] = start(number);
        },
        () => {},
      );
    });
  }

  return {
    send(lane: ProviderLane, batch: SendBatch, report: (outcome: Outcome) => void): Promise<void> {
      if (!lanes.has(lane)) {
        const reason = `provider ${lane} is not configured`;
        for (let index = 0; index < batch.targets.length; index += 1) {
          report({ index, kind: 'failed', code: 'provider_disabled', reason });
        }
        return Promise.resolve();
      }
      const alive = slots.filter((thread) => thread.alive);
      if (closing.signal.aborted || alive.length === 0) {
        for (let index = 0; index < batch.targets.length; index += 1) {
          report(unsent(index, closing.signal.aborted ? 'closed' : 'sender_crashed'));
        }
        return Promise.resolve();
      }
      const thread = alive.reduce((least, other) => (other.inFlight < least.inFlight ? other : least));
      return thread.send(lane, batch, report);
    },

    utilization(): SenderUtilization {
      return {
        inFlight: slots.reduce((sum, thread) => sum + thread.inFlight, 0),
        threads: slots.map((thread) => thread.utilization()),
      };
    },

    async close(): Promise<void> {
      closing.abort();
      await Promise.all(slots.map((thread) => thread.close(drainTimeoutMs)));
      logger.info({ threads }, 'sender threads ended');
    },
  };
}

class SenderThread {
  inFlight = 0;
  alive = true;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #batches = new Map<number, BatchUnderWay>();
  #nextId = 1;
  #lastUtilization: ReturnType<Worker['performance']['eventLoopUtilization']> | undefined;
  #onDrained: (() => void) | undefined;

  constructor(module: URL, providers: readonly ProviderSetup[], onDeath: (error: Error | undefined) => void) {
    const worker = new Worker(module, { name: 'carillon-sender', workerData: providers });
    this.#worker = worker;
    let error: Error | undefined;
    worker.on('message', (report: SenderReport) => this.#take(report));
    worker.on('error', (cause: unknown) => {
      error = cause instanceof Error ? cause : new Error(String(cause));
    });
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.alive = false;
        this.#giveUp();
        resolve();
        onDeath(error);
      });
    });
  }

  send(lane: ProviderLane, batch: SendBatch, report: (outcome: Outcome) => void): Promise<void> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.inFlight += batch.targets.length;
      this.#batches.set(id, { open: new Uint8Array(batch.targets.length).fill(1), report, finish: resolve });
      this.#post({ type: 'send', id, lane, targets: packTargets(batch.targets), message: batch.message });
    });
  }

  utilization(): number {
    const now = this.#worker.performance.eventLoopUtilization();
    const { utilization } = this.#lastUtilization
      ? this.#worker.performance.eventLoopUtilization(now, this.#lastUtilization)
      : now;
    this.#lastUtilization = now;
    return this.alive ? utilization : 0;
  }

  /** Resolves when the thread has ended, whatever it takes. */
  async close(drainTimeoutMs: number): Promise<void> {
    if (!this.alive) return this.#exited;
    if (this.#batches.size > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
      await withLimit(drained, drainTimeoutMs);
    }
    this.#post({ type: 'close' });
    await withLimit(this.#exited, EXIT_TIMEOUT_MS);
    if (this.alive) await this.#worker.terminate();
    await this.#exited;
  }

  #post(request: SenderRequest): void {
    this.#worker.postMessage(request);
  }

  #take({ accepted, others, finished }: SenderReport): void {
    unpackAcceptances(accepted, (id, outcome) => this.#settle(id, outcome));
    for (const [id, outcome] of others) this.#settle(id, outcome);
    for (const id of finished) this.#finish(id);
  }

  #settle(id: number, outcome: Outcome): void {
    const batch = this.#batches.get(id);
    if (!batch?.open[outcome.index]) return;
    batch.open[outcome.index] = 0;
    this.inFlight -= 1;
    batch.report(outcome);
  }

  #giveUp(): void {
    for (const [id, { open, report }] of this.#batches) {
      for (const [index, isOpen] of open.entries()) {
        if (!isOpen) continue;
        this.inFlight -= 1;
        report(unsent(index, 'sender_crashed'));
      }
      open.fill(0);
      this.#finish(id);
    }
  }

  #finish(id: number): void {
    const batch = this.#batches.get(id);
    if (!batch) return;
    this.#batches.delete(id);
    batch.finish();
    if (this.#batches.size === 0) this.#onDrained?.();
  }
}

/** `.ts` in a checkout, `.js` in the packed package. */
function threadModule(): URL {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return new URL(`./sender-thread${extension}`, import.meta.url);
}

function unsent(index: number, code: 'closed' | 'sender_crashed'): Outcome {
  const reason = code === 'closed' ? 'the server is stopping' : 'the sender thread ended before it reported';
  return { index, kind: 'retry', code, reason };
}

async function withLimit(promise: Promise<void>, limitMs: number): Promise<void> {
  const timer = new AbortController();
  await Promise.race([promise, delay(limitMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
