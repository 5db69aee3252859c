import type { ClientOptions } from '../config/config.ts';
import { disconnect, UNSUBSCRIBE } from './codes.ts';
import type { PresenceStore } from './presence.ts';
import type { Publisher } from './publisher.ts';
import type { Renewal } from './renewal.ts';
import type { Session } from './session.ts';
import type { Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

const MAX_TICK_MS = 1_000;
const MIN_TICK_MS = 10;

export interface HeartbeatOptions {
  readonly client: ClientOptions;
  readonly sessions: () => Iterable<Session>;
  readonly presence: PresenceStore;
  readonly subscriber: Subscriber;
  readonly publisher: Publisher;
  readonly renewal: Renewal;
}

/**
 * Everything that happens to connections by time alone: pings, missing pongs, peers that take nothing, stale and expired connections, expired
 * subscriptions, presence that must be renewed, position checks. One timer for all of them, since a timer each would cost more than the work.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #tickMs: number;
  #tickedAt = Date.now();

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { client } = options;
    const shortest = Math.min(
      client.ping_interval,
      client.pong_timeout,
      client.stale_close_delay,
      client.presence_update_interval,
    );
    this.#tickMs = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, shortest / 4));
    this.#timer = setInterval(() => this.tick(Date.now()), this.#tickMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  tick(now: number): void {
    // That this process was held up is not the clients' fault.
    const elapsed = Math.min(now - this.#tickedAt, this.#tickMs);
    this.#tickedAt = now;
    for (const session of this.#options.sessions()) this.#look(session, now, elapsed);
  }

  #look(session: Session, now: number, elapsed: number): void {
    const { client, renewal } = this.#options;
    if (session.state !== 'connected') {
      if (now - session.connectedAt >= client.stale_close_delay) session.disconnect(disconnect('stale'));
      return;
    }
    if (session.isStuck(elapsed)) {
      session.disconnect(disconnect('writeError'));
      return;
    }
    if (session.pongDueAt <= now && !session.isPaused) {
      session.disconnect(disconnect('noPong'));
      return;
    }
    if (renewal.decidesOnSessions()) {
      if (isOver(session, 0, now) && !renewal.isAsking(session)) renewal.session(session);
    } else if (isOver(session, client.expired_close_delay, now)) {
      session.disconnect(disconnect('connectionExpired'));
      return;
    }
    if (session.nextPingAt <= now) {
      session.nextPingAt = now + client.ping_interval;
      session.ping(client.pong_timeout > 0 ? now + client.pong_timeout : Number.POSITIVE_INFINITY);
    }
    if (session.nextPresenceAt <= now) {
      session.nextPresenceAt = now + client.presence_update_interval;
      for (const subscription of [...session.subscriptions.values()]) this.#lookAt(subscription, now);
    }
  }

  #lookAt(subscription: Subscription, now: number): void {
    const { client, subscriber, publisher, presence, renewal } = this.#options;
    const { session, serverSide, channel, positioned, isLive, confirmedAt } = subscription;
    if (channel.options.sub_refresh_proxy_enabled) {
      if (isOver(subscription, 0, now) && !renewal.isAsking(subscription)) renewal.subscription(subscription);
    } else if (isOver(subscription, client.expired_sub_close_delay, now)) {
      if (serverSide) session.disconnect(disconnect('subscriptionExpired'));
      else subscriber.unsubscribe(subscription, UNSUBSCRIBE.expired);
      return;
    }
    if (channel.options.presence) presence.add(channel.name, subscription.clientInfo()).catch(() => {});
    if (positioned && isLive && now - confirmedAt > client.channel_position_check_delay)
      publisher.checkPosition(channel.name);
  }
}

/** Whether a time in unix seconds, 0 for never, has been over for a delay in milliseconds. */
function isOver({ expireAt }: { readonly expireAt: number }, delayMs: number, now: number): boolean {
  return expireAt > 0 && expireAt * 1000 + delayMs <= now;
}
