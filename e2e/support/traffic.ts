import { Centrifuge } from 'centrifuge';
import { WebSocket } from 'ws';
import { API_KEY, type NodeCluster } from './node-cluster.ts';

const RETRY_MS = 50;

/** Publishes numbers from 1 in channels, at any node, each until it is accepted. */
export class Traffic {
  readonly #cluster: NodeCluster;
  readonly #channels: readonly string[];
  #running: Promise<void>[] = [];
  #stopped = false;
  /** Channel → the last number that was accepted. */
  readonly last = new Map<string, number>();
  refused = 0;

  constructor(cluster: NodeCluster, channels: readonly string[]) {
    this.#cluster = cluster;
    this.#channels = channels;
  }

  start(): void {
    this.#running = this.#channels.map((channel) => this.#publishIn(channel));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  get accepted(): number {
    return [...this.last.values()].reduce((sum, count) => sum + count, 0);
  }

  async #publishIn(channel: string): Promise<void> {
    for (let n = 1; !this.#stopped; n++) {
      while (!(await this.#publish(channel, n))) {
        this.refused += 1;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
      this.last.set(channel, n);
    }
  }

  /** Whoever gets no answer asks again with the same key, at another node. */
  async #publish(channel: string, n: number): Promise<boolean> {
    const { nodes } = this.#cluster;
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    const body = JSON.stringify({ channel, data: { n }, idempotency_key: String(n) });
    const response = await fetch(`${node?.url}/api/publish`, {
      method: 'POST',
      headers: { 'X-API-Key': API_KEY },
      body,
    }).catch(() => undefined);
    if (!response) return false;
    const answer = (await response.json().catch(() => ({}))) as { result?: object };
    return answer.result !== undefined;
  }
}

/** A client of the official package in several channels, which checks that it gets each number once and in order. */
export class Listener {
  readonly #client: Centrifuge;
  readonly #seen = new Map<string, number>();
  readonly #channels: readonly string[];
  readonly problems: string[] = [];
  reconnects = 0;

  constructor(origin: string, channels: readonly string[]) {
    this.#channels = channels;
    this.#client = new Centrifuge(`${origin.replace('http', 'ws')}/connection/websocket`, {
      websocket: WebSocket,
      minReconnectDelay: 20,
      maxReconnectDelay: 200,
    });
    this.#client.on('connecting', ({ code }) => {
      if (code !== 0) this.reconnects += 1;
    });
    for (const channel of channels) this.#listen(channel);
  }

  async connect(): Promise<void> {
    this.#client.connect();
    await Promise.all(Object.values(this.#client.subscriptions()).map((each) => each.ready(20_000)));
  }

  /** Whether it has all that was accepted. */
  isComplete(last: ReadonlyMap<string, number>): boolean {
    return this.#channels.every((channel) => (this.#seen.get(channel) ?? 0) >= (last.get(channel) ?? 0));
  }

  close(): void {
    this.#client.disconnect();
  }

  #listen(channel: string): void {
    const subscription = this.#client.newSubscription(channel, {
      minResubscribeDelay: 20,
      maxResubscribeDelay: 200,
    });
    subscription.on('publication', ({ data }) => {
      const expected = (this.#seen.get(channel) ?? 0) + 1;
      if (data.n !== expected) this.problems.push(`${channel}: ${data.n} came, expected was ${expected}`);
      this.#seen.set(channel, data.n);
    });
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      if (wasRecovering && !recovered) this.problems.push(`${channel}: was not recovered`);
    });
    subscription.subscribe();
  }
}
