import { Counters } from './counters.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

/** Who is here: sessions by id and user, subscriptions by channel, presence by channel. */
export class Hub {
  readonly #sessions = new Map<string, Session>();
  readonly #users = new Map<string, Set<Session>>();
  readonly #channels = new Map<string, Set<Subscription>>();
  #subscriptions = 0;
  readonly #counters: Counters;

  constructor(counters = new Counters()) {
    this.#counters = counters;
  }

  addSession(session: Session): void {
    this.#sessions.set(session.id, session);
    const ofUser = this.#users.get(session.user);
    if (ofUser) ofUser.add(session);
    else this.#users.set(session.user, new Set([session]));
    this.#counters.action('add_client');
    this.#counters.connectionsAccepted.add(labelsOf(session));
    this.#counters.connectionsInflight.add(labelsOf(session));
  }

  removeSession(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    this.#counters.action('remove_client');
    this.#counters.connectionsInflight.add(labelsOf(session), -1);
    const ofUser = this.#users.get(session.user);
    if (ofUser?.delete(session) && ofUser.size === 0) this.#users.delete(session.user);
  }

  addSubscription(subscription: Subscription): void {
    const { name } = subscription.channel;
    const subscribers = this.#channels.get(name);
    if (subscribers) subscribers.add(subscription);
    else this.#channels.set(name, new Set([subscription]));
    this.#subscriptions += 1;
    this.#counters.action('add_subscription');
    this.#counters.subscriptionsAccepted.add([subscription.session.metricName]);
    this.#counters.subscriptionsInflight.add([subscription.session.metricName]);
  }

  removeSubscription(subscription: Subscription): void {
    const { name } = subscription.channel;
    const subscribers = this.#channels.get(name);
    if (!subscribers?.delete(subscription)) return;
    this.#subscriptions -= 1;
    this.#counters.action('remove_subscription');
    this.#counters.subscriptionsInflight.add([subscription.session.metricName], -1);
    if (subscribers.size === 0) this.#channels.delete(name);
  }

  subscribers(channel: string): ReadonlySet<Subscription> | undefined {
    return this.#channels.get(channel);
  }

  sessionsOf(user: string): readonly Session[] {
    return [...(this.#users.get(user) ?? [])];
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Channels with at least one subscriber, and how many clients each has. */
  channels(): { name: string; clients: number }[] {
    return [...this.#channels].map(([name, subscribers]) => ({ name, clients: subscribers.size }));
  }

  stats() {
    return {
      clients: this.#sessions.size,
      users: this.#users.size,
      channels: this.#channels.size,
      subscriptions: this.#subscriptions,
    };
  }
}

function labelsOf({ transport, metricName, metricVersion }: Session): string[] {
  return [transport.name, metricName, metricVersion];
}
