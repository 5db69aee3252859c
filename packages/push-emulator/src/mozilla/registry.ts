import { randomBytes, randomUUID } from 'node:crypto';
import type { PushRecord } from '../journal.ts';

/** A browser, as the service knows it: by the `uaid` that it gave it. */
export interface UserAgent {
  readonly uaid: string;
  readonly channels: Map<string, Subscription>;
  /** Hands a push to the browser; absent while it is away. */
  deliver?: (subscription: Subscription, record: PushRecord) => void;
}

/** One PushSubscription of one page. */
export interface Subscription {
  readonly channelId: string;
  readonly agent: UserAgent;
  readonly token: string;
  readonly endpoint: string;
  /** The VAPID key that alone may send, base64url without padding; absent when the page gave none. */
  readonly key?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  goneAt?: number;
  /** Why the browser ended it: 200 by the page, 201 by quota, 202 because permission was taken back. */
  goneCode?: number;
  /** Not acknowledged yet, oldest first. */
  readonly pending: PushRecord[];
}

/** Browsers and their subscriptions, for as long as the emulator runs. */
export class Registry {
  readonly #agents = new Map<string, UserAgent>();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #origin: () => string;
  readonly #now: () => number;

  constructor(options: { origin: () => string; now: () => number }) {
    this.#origin = options.origin;
    this.#now = options.now;
  }

  /** The browser of that uaid, or a new one: a browser whose uaid is unknown drops its subscriptions. */
  agent(uaid: string | undefined): UserAgent {
    const known = uaid === undefined ? undefined : this.#agents.get(uaid);
    if (known) return known;
    const agent: UserAgent = { uaid: randomUUID().replaceAll('-', ''), channels: new Map() };
    this.#agents.set(agent.uaid, agent);
    return agent;
  }

  /** Forgets a browser that is away and has nothing to come back for. */
  leave(agent: UserAgent): void {
    agent.deliver = undefined;
    if (agent.channels.size === 0) this.#agents.delete(agent.uaid);
  }

  register(agent: UserAgent, channelId: string, key: string | undefined): Subscription {
    const known = agent.channels.get(channelId);
    if (known && known.key === key) return known;
    const token = randomBytes(64).toString('base64url');
    const version = key === undefined ? 'v1' : 'v2';
    const subscription: Subscription = {
      channelId,
      agent,
      token,
      endpoint: `${this.#origin()}/wpush/${version}/${token}`,
      ...(key !== undefined && { key }),
      createdAt: this.#now(),
      pending: [],
    };
    agent.channels.set(channelId, subscription);
    this.#subscriptions.set(token, subscription);
    return subscription;
  }

  /** Ends a subscription: from now on its endpoint answers 410. Returns what was still to be delivered. */
  end(subscription: Subscription, code?: number): PushRecord[] {
    subscription.goneAt = this.#now();
    if (code !== undefined) subscription.goneCode = code;
    subscription.agent.channels.delete(subscription.channelId);
    return subscription.pending.splice(0);
  }

  /** Forgets every browser, as a service that lost its database: each drops its subscriptions when it comes back. */
  forgetAgents(): PushRecord[] {
    this.#agents.clear();
    return this.subscriptions()
      .filter(({ goneAt }) => goneAt === undefined)
      .flatMap((subscription) => this.end(subscription));
  }

  find(token: string): Subscription | undefined {
    return this.#subscriptions.get(token);
  }

  subscriptions(): Subscription[] {
    return [...this.#subscriptions.values()];
  }
}
