import { randomBytes } from 'node:crypto';
import type { PushRecord } from '../journal.ts';

/** A browser, as a push service knows it: by the id that it gave it (Mozilla's `uaid`, Google's Android id). */
export interface Agent {
  readonly id: string;
  readonly channels: Map<string, Subscription>;
  /** Hands a push to the browser; absent while it is away. */
  deliver?: (subscription: Subscription, record: PushRecord) => void;
}

/** One PushSubscription of one page. */
export interface Subscription {
  readonly channelId: string;
  readonly agent: Agent;
  readonly token: string;
  /** Where the emulator takes pushes for it. */
  readonly endpoint: string;
  /** The VAPID key that alone may send, base64url without padding; absent when the page gave none. */
  readonly key?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  goneAt?: number;
  /** Mozilla: why the browser ended it: 200 by the page, 201 by quota, 202 because permission was taken back. */
  goneCode?: number;
  /** Not acknowledged yet, oldest first. */
  readonly pending: PushRecord[];
}

/** Where endpoints are, by plain HTTP and by TLS. */
export interface EndpointOrigins {
  readonly url: string;
  readonly httpsUrl: string;
}

export interface RegistryOptions {
  readonly newAgentId: () => string;
  readonly endpoint: (token: string, key: string | undefined, isSecure: boolean) => string;
  readonly now: () => number;
}

/** A service's browsers and their subscriptions, for as long as the emulator runs. */
export class Registry {
  readonly #agents = new Map<string, Agent>();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #options: RegistryOptions;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  find(token: string): Subscription | undefined {
    return this.#subscriptions.get(token);
  }

  findAgent(id: string): Agent | undefined {
    return this.#agents.get(id);
  }

  addAgent(id = this.#options.newAgentId()): Agent {
    const agent: Agent = { id, channels: new Map() };
    this.#agents.set(agent.id, agent);
    return agent;
  }

  /** Forgets a browser that is away and has nothing to come back for. */
  leave(agent: Agent): void {
    agent.deliver = undefined;
    if (agent.channels.size === 0) this.#agents.delete(agent.id);
  }

  /**
   * The same subscription for the same channel and key; another for another key.
   * @param isSecure whether its endpoint is `https:`
   */
  register(agent: Agent, channelId: string, key: string | undefined, isSecure = false): Subscription {
    const known = agent.channels.get(channelId);
    if (known && known.key === key) return known;
    const token = randomBytes(64).toString('base64url');
    const subscription: Subscription = {
      channelId,
      agent,
      token,
      endpoint: this.#options.endpoint(token, key, isSecure),
      ...(key !== undefined && { key }),
      createdAt: this.#options.now(),
      pending: [],
    };
    agent.channels.set(channelId, subscription);
    this.#subscriptions.set(token, subscription);
    return subscription;
  }

  /** Ends a subscription: from now on its endpoint answers 410. Returns what was still to be delivered. */
  end(subscription: Subscription, code?: number): PushRecord[] {
    subscription.goneAt = this.#options.now();
    if (code !== undefined) subscription.goneCode = code;
    subscription.agent.channels.delete(subscription.channelId);
    return subscription.pending.splice(0);
  }

  /** Forgets every browser, as a service that lost its database. Returns what was still to be delivered. */
  forgetAgents(): PushRecord[] {
    this.#agents.clear();
    return this.subscriptions()
      .filter(({ goneAt }) => goneAt === undefined)
      .flatMap((subscription) => this.end(subscription));
  }

  subscriptions(): Subscription[] {
    return [...this.#subscriptions.values()];
  }
}
