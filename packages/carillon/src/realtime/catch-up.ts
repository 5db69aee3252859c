import type { Broker } from './broker.ts';
import { EpochMismatchError } from './broker.ts';
import type { Channels } from './channels.ts';
import type { Counters } from './counters.ts';
import { PublicationPush } from './delta/publication-push.ts';
import type { Hub } from './hub.ts';
import type { Publication, StreamPosition } from './publication.ts';
import type { Subscription } from './subscription.ts';

/** Channels that are read at once: after a lost connection there may be very many. */
const CONCURRENCY = 64;
/** What comes meanwhile and waits; a channel with more is given up. */
const MOST_HELD = 4_096;
const RETRY_MS = 250;

export interface CatchUpOptions {
  readonly counters: Counters;
  readonly hub: Hub;
  readonly broker: Broker;
  readonly channels: Channels;
  /** Publications read of one channel at most. */
  readonly recoveryLimit: number;
  deliver(channel: string, publication: Publication, epoch: string): void;
  insufficientState(subscription: Subscription): void;
}

interface Running {
  held: { publication: Publication; epoch: string }[];
  /** Asked for again meanwhile. */
  again: boolean;
}

/**
 * Brings the positioned subscriptions of a channel to the top of its stream, when publications may not have come: after
 * a lost connection to the broker, when an offset was jumped, or when long nothing came.
 *
 * A channel is *at rest*, or it is *catching up*: then what comes live is held, the stream is read from the subscription
 * that is furthest behind, each subscription gets what it lacks, and what was held follows. A subscription that cannot be
 * brought to the top that was read has an insufficient state. While the broker cannot be reached, reading is tried again.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #running = new Map<string, Running>();
  readonly #waiting = new Set<string>();
  #closed = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** Starts on channels, or again on those under way. */
  start(channels: readonly string[]): void {
    for (const channel of channels) {
      const running = this.#running.get(channel);
      if (running) running.again = true;
      else if (this.#marks(channel)) this.#waiting.add(channel);
    }
    this.#next();
  }

  /** Starts on a channel unless it is under way. */
  check(channel: string): void {
    if (!this.#running.has(channel)) this.start([channel]);
  }

  /** Takes a publication that must wait for what comes before it. @returns false when it may be delivered at once */
  holds(channel: string, publication: Publication, epoch: string): boolean {
    const running = this.#running.get(channel);
    if (!running) return false;
    if (running.held.length < MOST_HELD) running.held.push({ publication, epoch });
    else running.again = true;
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  /** Whether there is somebody to bring on; who is just starting is told to look again. */
  #marks(channel: string): boolean {
    let live = false;
    for (const subscription of this.#options.hub.subscribers(channel) ?? []) {
      if (!subscription.positioned) continue;
      if (subscription.isLive) live = true;
      else subscription.mayHaveMissed = true;
    }
    return live;
  }

  #next(): void {
    for (const channel of this.#waiting) {
      if (this.#running.size >= CONCURRENCY) return;
      this.#waiting.delete(channel);
      void this.#run(channel);
    }
  }

  async #run(channel: string): Promise<void> {
    const running: Running = { held: [], again: false };
    this.#running.set(channel, running);
    do {
      running.again = false;
      while (!this.#closed && !(await this.#bring(channel))) await pause(RETRY_MS);
    } while (running.again && this.#marks(channel) && !this.#closed);
    this.#running.delete(channel);
    for (const { publication, epoch } of running.held) {
      // One of those before it may have shown another gap.
      if (!this.holds(channel, publication, epoch)) this.#options.deliver(channel, publication, epoch);
    }
    this.#next();
  }

  /** @returns false when the stream could not be read */
  async #bring(channel: string): Promise<boolean> {
    const { broker, channels, recoveryLimit, insufficientState } = this.#options;
    const found = channels.find(channel);
    const subscriptions = this.#positioned(channel);
    const since = lowest(subscriptions);
    if (!found || !since) return true;
    this.#options.counters.action('history_recover');
    try {
      const request = { since, limit: recoveryLimit, reverse: false };
      const { publications, offset, epoch } = await broker.history(channel, request, channels.history(found));
      const left = subscriptions.filter(isSubscribed);
      for (const publication of publications) deliverTo(left, channel, publication, epoch);
      for (const subscription of left) {
        const { position } = subscription;
        if (position.epoch === epoch && position.offset === offset) subscription.confirmedAt = Date.now();
        else insufficientState(subscription);
      }
    } catch (error) {
      if (!(error instanceof EpochMismatchError)) return false;
      for (const subscription of subscriptions.filter(isSubscribed)) insufficientState(subscription);
    }
    return true;
  }

  #positioned(channel: string): Subscription[] {
    return [...(this.#options.hub.subscribers(channel) ?? [])].filter(
      ({ positioned, isLive }) => positioned && isLive,
    );
  }
}

/** It may have ended while the stream was read. */
function isSubscribed(subscription: Subscription): boolean {
  return subscription.session.subscriptions.get(subscription.channel.name) === subscription;
}

function lowest(subscriptions: readonly Subscription[]): StreamPosition | undefined {
  let since: StreamPosition | undefined;
  for (const { position } of subscriptions) {
    if (!since || position.offset < since.offset) since = position;
  }
  return since;
}

function deliverTo(
  subscriptions: readonly Subscription[],
  channel: string,
  publication: Publication,
  epoch: string,
): void {
  const push = new PublicationPush(channel, publication, epoch);
  for (const subscription of subscriptions) subscription.deliver(publication, epoch, push);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
