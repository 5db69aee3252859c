import { disconnect, UNSUBSCRIBE } from './codes.ts';
import type { RefreshAnswer } from './proxies/answers.ts';
import type { Proxies } from './proxies/proxies.ts';
import type { Session } from './session.ts';
import type { Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

/** How long what should have ended lives on when the application cannot be asked. */
const GRACE_S = 60;

/**
 * Asks the application, where that is configured, whether connections and subscriptions whose time is over live on. Each is
 * asked about once at a time.
 */
export class Renewal {
  readonly #proxies: Proxies;
  readonly #subscriber: Subscriber;
  readonly #asking = new Set<Session | Subscription>();

  constructor(proxies: Proxies, subscriber: Subscriber) {
    this.#proxies = proxies;
    this.#subscriber = subscriber;
  }

  /** Whether the application decides, and not a token that the client brings. */
  decidesOnSessions(): boolean {
    return this.#proxies.refreshes;
  }

  session(session: Session): void {
    void this.#ask(session, this.#proxies.refresh(session), (answer) => {
      if (session.state !== 'connected') return;
      if (answer.expired || isOver(answer.expireAt)) {
        session.disconnect(disconnect('connectionExpired'));
        return;
      }
      session.expireAt = answer.expireAt;
      session.info = answer.info ?? session.info;
      session.meta = answer.meta ?? session.meta;
    });
  }

  subscription(subscription: Subscription): void {
    const { session, channel, serverSide } = subscription;
    void this.#ask(subscription, this.#proxies.subRefresh(session, channel), (answer) => {
      if (session.subscriptions.get(channel.name) !== subscription) return;
      if (answer.expired || isOver(answer.expireAt)) {
        if (serverSide) session.disconnect(disconnect('subscriptionExpired'));
        else this.#subscriber.unsubscribe(subscription, UNSUBSCRIBE.expired);
        return;
      }
      subscription.expireAt = answer.expireAt;
      subscription.info = answer.info ?? subscription.info;
    });
  }

  isAsking(about: Session | Subscription): boolean {
    return this.#asking.has(about);
  }

  async #ask(
    about: Session | Subscription,
    answer: Promise<RefreshAnswer>,
    take: (answer: RefreshAnswer) => void,
  ): Promise<void> {
    this.#asking.add(about);
    try {
      take(await answer);
    } catch {
      // The endpoint has logged it. An application that is away must not cost its users their connections.
      about.expireAt = Math.ceil(Date.now() / 1000) + GRACE_S;
    } finally {
      this.#asking.delete(about);
    }
  }
}

function isOver(expireAt: number): boolean {
  return expireAt > 0 && expireAt <= Date.now() / 1000;
}
