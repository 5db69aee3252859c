import type { Journal, PushRecord, PushState } from '../journal.ts';
import type { Agent, Subscription } from './registry.ts';

/**
 * Keeps what a browser has not acknowledged. A push goes out at once when the browser is here, and again each time it
 * comes back, until it is acknowledged, replaced, deleted or out of time. With TTL 0 it is now or never.
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

  /** Sends all that the browser, which has just come back, has not acknowledged. */
  resend(agent: Agent): void {
    for (const subscription of agent.channels.values()) {
      for (const record of [...subscription.pending]) {
        if (this.#isExpired(record)) this.#settle(subscription, record, 'expired');
        else this.#send(subscription, record);
      }
    }
  }

  /** The socket closed: what was on its way waits until it is back. */
  away(agent: Agent): void {
    for (const subscription of agent.channels.values()) {
      for (const record of [...subscription.pending]) {
        if (record.headers?.ttl === 0) this.#settle(subscription, record, 'expired');
        else this.#become(record, 'waiting');
      }
    }
  }

  /** @param code Mozilla's: 100 delivered, 101 decryption failed, 102 not delivered */
  acknowledge(subscription: Subscription, record: PushRecord, code?: number): void {
    record.acknowledgedAt = this.#now();
    if (code !== undefined) record.acknowledgeCode = code;
    this.#settle(subscription, record, 'acknowledged');
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
