import { type ChildOptions, Peer } from '../support/child.ts';
import type { Progress } from '../support/progress.ts';
import type { SinkFigures, SinkReply, SinkRequest } from './sink-messages.ts';

type Reply<Type extends SinkReply['type']> = Extract<SinkReply, { type: Type }>;

const PROGRESS_MS = 500;

/** The push service of a benchmark, in a process of its own. */
export interface Sink {
  readonly origin: string;
  readonly pid: number;
  /** Waits for one push to each of `count` devices of a set; call the first `expect` before anything is sent. */
  expect(set: number, count: number): Promise<Expectation>;
  stop(): Promise<void>;
}

export interface Expectation {
  /** Resolves when every device has got one. Rejects when for `stallMs` none came. */
  complete(progress?: Progress): Promise<void>;
  /** What arrived until now; times from `since` (`monotonicMs`) on. */
  figures(since: number): Promise<SinkFigures>;
}

/** How long nothing may arrive before those that are missing count as lost. */
const STALL_MS = 15_000;

export async function startSink(
  certificates: { key: string; cert: string },
  options: ChildOptions,
): Promise<Sink> {
  const peer = new Peer<SinkRequest>('the sink', new URL('./sink-process.ts', import.meta.url), options);
  const { key, cert } = certificates;
  const { port } = await peer.ask<Reply<'listening'>>({ type: 'listen', key, cert }, 'listening');
  return {
    origin: `https://localhost:${port}`,
    pid: peer.pid,
    async expect(set, count) {
      const complete = peer.next<Reply<'complete'>>('complete').then(() => {});
      await peer.ask<Reply<'expecting'>>({ type: 'expect', set, count }, 'expecting');
      return {
        complete: (progress) => watch(peer, complete, count, progress),
        figures: (since) => peer.ask<SinkFigures>({ type: 'collect', since }, 'figures'),
      };
    },
    stop: () => peer.stop(),
  };
}

async function watch(
  peer: Peer<SinkRequest>,
  complete: Promise<void>,
  count: number,
  progress: Progress | undefined,
): Promise<void> {
  let last = { count: 0, at: performance.now() };
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setInterval(async () => {
      const { count: arrived } = await peer.ask<Reply<'arrived'>>({ type: 'arrived' }, 'arrived');
      progress?.update(`${arrived.toLocaleString('en')} of ${count.toLocaleString('en')} arrived`);
      if (arrived > last.count) last = { count: arrived, at: performance.now() };
      else if (performance.now() - last.at > STALL_MS) {
        reject(new Error(`only ${arrived} of ${count} pushes arrived; none came for ${STALL_MS / 1000} s`));
      }
    }, PROGRESS_MS);
  });
  try {
    await Promise.race([complete, stalled]);
  } finally {
    clearInterval(timer);
  }
}
