import type { Journal, PushRecord, PushState } from '../journal.ts';
import type { Subscription, UserAgent } from './registry.ts';

/**
 * Keeps what a browser has not acknowledged. A push goes out at once when the browser is here, and again each time it
 * says hello, until it is acknowledged, replaced, deleted or out of time. With TTL 0 it is now or never.
 */
export class Mailbox {
  readonly #journal: Journal;
  readonly #now: () => number;

  constructor(options: { journal: Journal; now: () => number }) {
    this.#journal = options.journal;
    this.#now = options.now;
  }

  /** Takes a push that has passed all checks. */
  accept(subscription: Subscription, record: PushRecord): void {
    const topic = record.headers?.topic;
    if (topic !== undefined) {
      for (const old of subscription.pending.filter(({ headers }) => headers?.topic === topic)) {
        this.#settle(subscription, old, 'replaced');
      }
    }
    subscription.pending.push(record);
    if (subscription.agent.deliver) this.#send(subscription, record);
    else if (record.headers?.ttl === 0) this.#settle(subscription, record, 'expired');
    else this.#become(record, 'waiting');
  }

  /** Sends all that the browser, which has just said hello, has not acknowledged. */
  resend(agent: UserAgent): void {
    for (const subscription of agent.channels.values()) {
      for (const record of [...subscription.pending]) {
        if (this.#isExpired(record)) this.#settle(subscription, record, 'expired');
        else this.#send(subscription, record);
      }
    }
  }

  /** The socket closed: what was on its way waits for the next hello. */
  away(agent: UserAgent): void {
    for (const subscription of agent.channels.values()) {
      for (const record of [...subscription.pending]) {
        if (record.headers?.ttl === 0) this.#settle(subscription, record, 'expired');
        else this.#become(record, 'waiting');
      }
    }
  }

  acknowledge(agent: UserAgent, channelId: string, version: string, code: number): void {
    const subscription = agent.channels.get(channelId);
    if (!subscription) return;
    // The journal may have forgotten what is still on its way; it alone knows what was replaced after it had been sent.
    const record = subscription.pending.find(({ id }) => id === version) ?? this.#journal.get(version);
    if (record?.endpoint !== subscription.endpoint) return;
    record.acknowledgedAt = this.#now();
    record.acknowledgeCode = code;
    this.#settle(subscription, record, 'acknowledged');
  }

  reject(agent: UserAgent, version: string, code: number): void {
    const record = this.#journal.get(version);
    const isTheirs = [...agent.channels.values()].some(({ endpoint }) => endpoint === record?.endpoint);
    if (!record || !isTheirs) return;
    record.nackCode = code;
    this.#journal.changed(record);
  }

  /** A sender takes its message back. Returns whether it was still there. */
  delete(subscriptions: Iterable<Subscription>, id: string): boolean {
    for (const subscription of subscriptions) {
      const record = subscription.pending.find((pending) => pending.id === id);
      if (!record) continue;
      this.#settle(subscription, record, 'deleted');
      return true;
    }
    return false;
  }

  /** The subscription ended; these were its pending pushes. */
  gone(records: Iterable<PushRecord>): void {
    for (const record of records) this.#become(record, 'gone');
  }

  #send(subscription: Subscription, record: PushRecord): void {
    record.sentAt.push(this.#now());
    this.#become(record, 'sent');
    subscription.agent.deliver?.(subscription, record);
  }

  #isExpired(record: PushRecord): boolean {
    return this.#now() >= record.receivedAt + (record.headers?.ttl ?? 0) * 1000;
  }

  #settle(subscription: Subscription, record: PushRecord, state: PushState): void {
    const at = subscription.pending.indexOf(record);
    if (at >= 0) subscription.pending.splice(at, 1);
    this.#become(record, state);
  }

  #become(record: PushRecord, state: PushState): void {
    record.state = state;
    this.#journal.changed(record);
  }
}
