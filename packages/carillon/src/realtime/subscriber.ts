import type { Config } from '../config/config.ts';
import type { Admission, Grant } from './admission.ts';
import type { Broker } from './broker.ts';
import { type Channel, type Channels, hasHistory, withOverride } from './channels.ts';
import type { SubscriptionClaims } from './claims.ts';
import { clientError, disconnect } from './codes.ts';
import { flagOf, offsetOf, textOf, wholeOf } from './commands.ts';
import { isPast, timeToLive } from './connector.ts';
import type { Counters } from './counters.ts';
import { deltaBodies } from './delta/publication-push.ts';
import type { Hub } from './hub.ts';
import type { Payload } from './payload.ts';
import { clientMay } from './permissions.ts';
import type { PresenceStore } from './presence.ts';
import { publicationBody, type StreamPosition } from './publication.ts';
import type { Publisher } from './publisher.ts';
import { type Recovery, recover, recoverLatest } from './recovery.ts';
import type { Session } from './session.ts';
import { Subscription } from './subscription.ts';
import { readTagsFilter } from './tags-filter.ts';

type Request = Readonly<Record<string, unknown>>;

/** Bit of `flag`: answer error 112 instead of an unrecovered subscription. */
const REJECT_UNRECOVERED = 2;

export interface SubscriberOptions {
  readonly config: Pick<Config, 'client'>;
  readonly channels: Channels;
  readonly hub: Hub;
  readonly broker: Broker;
  readonly presence: PresenceStore;
  readonly publisher: Publisher;
  readonly admission: Admission;
  readonly counters: Counters;
}

/** Channel → what it is subscribed with, and whether the connection token asks for it. */
export type ServerSide = ReadonlyMap<string, SubscriptionClaims & { readonly fromToken: boolean }>;

interface Plan {
  readonly channel: Channel;
  readonly grant: Grant;
  readonly serverSide: boolean;
  readonly fromToken: boolean;
  readonly request: Request;
}

/** What a client learns of its subscription (client-protocol, section 4). */
interface SubscribeResult {
  readonly expires?: boolean;
  readonly ttl?: number;
  readonly recoverable?: boolean | undefined;
  readonly positioned?: boolean;
  readonly epoch?: string;
  readonly offset?: number | undefined;
  readonly publications?: readonly object[] | undefined;
  readonly recovered?: boolean | undefined;
  readonly was_recovering?: boolean | undefined;
  readonly data?: Payload | undefined;
  readonly delta?: boolean | undefined;
}

/** Lets sessions into channels and out again (client-protocol, sections 4 and 8). */
export class Subscriber {
  readonly #options: SubscriberOptions;

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  /** The `subscribe` command. */
  async subscribe(session: Session, request: Request): Promise<object> {
    const channel = this.#admissible(session, request);
    const grant = await this.#options.admission.subscribe(session, channel, request);
    // Others may have acted while the token was verified.
    if (session.state === 'closed') throw disconnect('connectionClosed');
    this.#checkPlace(session, channel.name);
    if (isPast(grant.expireAt)) throw clientError('expired');
    return this.#start(session, { channel, grant, serverSide: false, fromToken: false, request });
  }

  /** Server-side subscriptions at connect; gives back their results by channel. */
  async subscribeServerSide(
    session: Session,
    subs: ServerSide,
    positions: ReadonlyMap<string, Request>,
  ): Promise<Record<string, SubscribeResult>> {
    const results: [string, SubscribeResult][] = [];
    for (const [name, { fromToken, ...claims }] of subs) {
      const channel = this.#options.channels.find(name);
      if (!channel) throw clientError('unknownChannel');
      const request = positions.get(name) ?? {};
      const grant = { ...claims, expireAt: 0 };
      const plan = { channel, grant, serverSide: true, fromToken, request };
      results.push([name, await this.#start(session, plan)]);
    }
    // A channel may have any name, `__proto__` as well.
    return Object.fromEntries(results);
  }

  /**
   * A server-side subscription of a live connection, by the server API: the result goes out as a push, and what was
   * recovered follows as publications. It takes the place
   * of the one there is, so that a command can be repeated. One too many closes the connection with 3505.
   */
  async subscribeLive(
    session: Session,
    channel: Channel,
    grant: Grant,
    since: Request | undefined,
  ): Promise<void> {
    const request = since ? { ...since, recover: true } : {};
    const former = session.subscriptions.get(channel.name);
    if (!former && this.#isFull(session)) {
      session.disconnect(disconnect('channelLimit'));
      return;
    }
    if (former) this.#options.hub.removeSubscription(former);
    const result = await this.#start(session, {
      channel,
      grant,
      serverSide: true,
      fromToken: false,
      request,
    });
    const { recoverable, positioned, epoch, offset, data, publications = [] } = result;
    const subscribe = { recoverable, positioned, epoch, offset, data };
    session.send({ push: { channel: channel.name, subscribe } });
    for (const pub of publications) session.send({ push: { channel: channel.name, pub } });
    this.afterReply(session, channel.name);
  }

  /** Goes live and announces itself, now that the client has the reply. */
  afterReply(session: Session, name: string): void {
    const subscription = session.subscriptions.get(name);
    if (!subscription || subscription.isLive) return;
    if (!subscription.goLive()) {
      session.disconnect(disconnect('insufficientState'));
      return;
    }
    if (subscription.mayHaveMissed) this.#options.publisher.catchUp(name);
    if (subscription.channel.options.join_leave) {
      this.#options.publisher.announce('join', name, subscription.clientInfo());
    }
  }

  /** Takes a subscription out, and tells the channel. */
  remove(subscription: Subscription): void {
    const { hub, presence, publisher, broker } = this.#options;
    const { session, channel } = subscription;
    if (session.subscriptions.get(channel.name) !== subscription) return;
    session.subscriptions.delete(channel.name);
    hub.removeSubscription(subscription);
    if (!hub.subscribers(channel.name)) broker.unsubscribe(channel.name);
    // An entry that cannot be removed expires.
    if (channel.options.presence) presence.remove(channel.name, session.id).catch(() => {});
    if (channel.options.join_leave && subscription.isLive)
      publisher.announce('leave', channel.name, subscription.clientInfo());
  }

  /** Takes a subscription out and tells the client why. */
  unsubscribe(subscription: Subscription, why: { code: number; reason: string }): void {
    this.remove(subscription);
    this.sendUnsubscribe(subscription.session, subscription.channel.name, why);
  }

  /** Tells a client that it is in a channel no more. */
  sendUnsubscribe(session: Session, channel: string, why: { code: number; reason: string }): void {
    session.send({ push: { channel, unsubscribe: why } });
    this.#options.counters.serverUnsubscribes.add([String(why.code)]);
  }

  #admissible(session: Session, request: Request): Channel {
    const { channels } = this.#options;
    const name = textOf(request, 'channel');
    if (!name) throw disconnect('badRequest');
    const delta = textOf(request, 'delta');
    if (delta !== '' && delta !== 'fossil') throw disconnect('badRequest');
    if (channels.isTooLong(name)) throw clientError('badRequest');
    this.#checkPlace(session, name);
    const channel = channels.find(name);
    if (!channel) throw clientError('unknownChannel');
    if (!channels.isValidName(channel)) throw clientError('badRequest');
    const type = wholeOf(request, 'type');
    if (type >= 1 && type <= 3) throw clientError('permissionDenied');
    if (type === 4) throw clientError('notAvailable');
    if (hasFilter(request)) {
      if (!channel.options.allow_tags_filter || delta || !readTagsFilter(request.tf))
        throw clientError('badRequest');
    }
    return channel;
  }

  #checkPlace(session: Session, name: string): void {
    if (session.subscriptions.has(name)) throw clientError('alreadySubscribed');
    if (this.#isFull(session)) throw clientError('limitExceeded');
  }

  #isFull({ subscriptions }: Session): boolean {
    return subscriptions.size >= this.#options.config.client.channel_limit;
  }

  async #start(session: Session, plan: Plan): Promise<SubscribeResult> {
    const { hub } = this.#options;
    const { grant, serverSide, fromToken, request } = plan;
    const channel = withOverride(plan.channel, grant.override);
    // The client may have gone meanwhile.
    if (session.state === 'closed') throw disconnect('connectionClosed');
    const wishes = this.#wishes(session, channel, request);
    const subscription = new Subscription({
      session,
      channel,
      serverSide,
      fromToken,
      info: grant.info,
      expireAt: grant.expireAt,
      ...wishes,
      delta: wishes.positioned && wantsDelta(channel, request),
      filter: hasFilter(request) ? readTagsFilter(request.tf) : undefined,
    });
    session.subscriptions.set(channel.name, subscription);
    hub.addSubscription(subscription);
    try {
      await this.#enter(subscription);
      const wanted = flagOf(request, 'recover');
      if (!subscription.positioned) {
        return { ...timeToRefresh(subscription), was_recovering: wanted || undefined, data: grant.data };
      }
      const since: StreamPosition = { offset: offsetOf(request), epoch: textOf(request, 'epoch') };
      const byCache = channel.options.force_recovery_mode === 'cache';
      const recovering =
        subscription.recoverable && (wanted || (byCache && channel.options.auto_cache_recover));
      const state = await this.#state(subscription, since, { recovering, byCache });
      if (recovering && !state.recovered && !byCache && wholeOf(request, 'flag') & REJECT_UNRECOVERED) {
        throw clientError('unrecoverablePosition');
      }
      if (recovering) {
        const labels = [state.recovered, state.publications.length > 0].map((is) => (is ? 'yes' : 'no'));
        this.#options.counters.recoveries.add(labels);
      }
      return this.#result(subscription, state, { since, wanted: wanted || recovering, data: grant.data });
    } catch (error) {
      this.remove(subscription);
      throw error;
    }
  }

  /** Both are begun at once: whoever leaves meanwhile undoes them in the same order. */
  async #enter(subscription: Subscription): Promise<void> {
    const { broker, presence } = this.#options;
    const { channel } = subscription;
    await Promise.all([
      broker.subscribe(channel.name),
      channel.options.presence && presence.add(channel.name, subscription.clientInfo()),
    ]);
  }

  /** Where the stream stands, and what was missed when it is to be recovered. */
  #state(
    { channel }: Subscription,
    since: StreamPosition,
    { recovering, byCache }: { recovering: boolean; byCache: boolean },
  ): Promise<Recovery> {
    const { broker, channels, config } = this.#options;
    const { counters } = this.#options;
    counters.action(
      recovering ? (byCache ? 'history_recover_cache' : 'history_recover') : 'history_stream_top',
    );
    if (!recovering) return this.#currentTop(channel);
    const options = channels.history(channel);
    if (byCache) return recoverLatest(broker, channel.name, since, options);
    return recover(broker, channel.name, since, config.client.recovery_max_publication_limit, options);
  }

  #result(
    subscription: Subscription,
    state: Recovery,
    asked: { since: StreamPosition; wanted: boolean; data: Payload | undefined },
  ): SubscribeResult {
    const { top, recovered, publications: missed } = state;
    const { delta, filter } = subscription;
    // What was published since history was read is held, and follows the reply.
    const position = { offset: missed.at(-1)?.offset ?? top.offset, epoch: top.epoch };
    subscription.startFrom(position, missed.at(-1));
    const publications = filter ? missed.filter(({ tags }) => filter(tags ?? {})) : missed;
    const bodies = delta
      ? deltaBodies(publications)
      : publications.map((item) => publicationBody(item, top.epoch));
    return {
      ...timeToRefresh(subscription),
      recoverable: subscription.recoverable || undefined,
      positioned: true,
      epoch: top.epoch,
      offset: (recovered ? asked.since.offset : top.offset) || undefined,
      publications: bodies.length > 0 ? bodies : undefined,
      recovered: recovered || undefined,
      was_recovering: asked.wanted || undefined,
      data: asked.data,
      delta: delta || undefined,
    };
  }

  async #currentTop(channel: Channel): Promise<Recovery> {
    const { broker, channels } = this.#options;
    const { offset, epoch } = await broker.history(
      channel.name,
      { limit: 0, reverse: false },
      channels.history(channel),
    );
    return { recovered: false, publications: [], top: { offset, epoch } };
  }

  /** What a client asks for is granted only where the namespace allows; what the namespace forces needs no asking. */
  #wishes(session: Session, channel: Channel, request: Request) {
    const { options } = channel;
    const { insecure } = this.#options.config.client;
    const may = (action: 'history' | 'presence') =>
      insecure || clientMay(action, channel, session.user, true);
    const history = hasHistory(channel);
    const recoverable =
      history &&
      (options.force_recovery ||
        (flagOf(request, 'recoverable') && (options.allow_recovery || may('history'))));
    const positioned =
      history &&
      (recoverable ||
        options.force_positioning ||
        (flagOf(request, 'positioned') && (options.allow_positioning || may('history'))));
    const joinLeave =
      options.join_leave &&
      (options.force_push_join_leave || (flagOf(request, 'join_leave') && may('presence')));
    return { recoverable, positioned, joinLeave };
  }
}

/** Null stands for an absent filter in JSON. */
function hasFilter(request: Request): boolean {
  return request.tf !== undefined && request.tf !== null;
}

function wantsDelta({ options }: Channel, request: Request): boolean {
  return request.delta === 'fossil' && options.allowed_delta_types.includes('fossil');
}

/** When the client must bring a new token; nothing where the application is asked instead. */
function timeToRefresh({ expireAt, channel }: Subscription): ReturnType<typeof timeToLive> {
  return timeToLive(channel.options.sub_refresh_proxy_enabled ? 0 : expireAt);
}
