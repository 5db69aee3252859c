import type { Broker, BrokerListener, Message, OnPublished, PublishOptions } from './broker.ts';
import { CatchUp } from './catch-up.ts';
import type { Channel, Channels } from './channels.ts';
import { SharedMessage } from './codec/codec.ts';
import { disconnect, UNSUBSCRIBE } from './codes.ts';
import type { Counters } from './counters.ts';
import { PublicationPush } from './delta/publication-push.ts';
import type { Hub } from './hub.ts';
import type { ClientInfo, Publication, StreamPosition } from './publication.ts';
import type { Subscriber } from './subscriber.ts';
import type { Subscription } from './subscription.ts';

export interface PublishRequest extends Partial<Omit<PublishOptions, 'history'>> {
  readonly skipHistory?: boolean;
}

/** Brings publications, joins and leaves to the broker, and from there to everybody who is subscribed here. */
export class Publisher implements BrokerListener {
  readonly #hub: Hub;
  readonly #broker: Broker;
  readonly #channels: Channels;
  readonly #catchUp: CatchUp;
  readonly #counters: Counters;
  #subscriber: Subscriber | undefined;

  /** @param recoveryLimit publications that a subscription may be behind and still be brought on */
  constructor(hub: Hub, broker: Broker, channels: Channels, recoveryLimit: number, counters: Counters) {
    this.#counters = counters;
    this.#hub = hub;
    this.#broker = broker;
    this.#channels = channels;
    this.#catchUp = new CatchUp({
      counters,
      hub,
      broker,
      channels,
      recoveryLimit,
      deliver: (...publication) => this.#deliver(...publication),
      insufficientState: (subscription) => this.insufficientState(subscription),
    });
    broker.listen(this);
  }

  /** The two need each other: a hole ends a subscription, a subscription announces its join. */
  attach(subscriber: Subscriber): void {
    this.#subscriber = subscriber;
  }

  /** Stores and delivers; gives back the position, undefined without history. @throws UnavailableError */
  async publish(
    channel: Pick<Channel, 'name' | 'options'>,
    message: Message,
    request: PublishRequest = {},
  ): Promise<StreamPosition | undefined> {
    return this.#broker.publish(channel.name, message, this.#publishOptions(channel, request));
  }

  /** The same in many channels of one namespace. @throws UnavailableError, as `Broker.publishMany` */
  async publishMany(
    names: readonly string[],
    options: Channel['options'],
    message: Message,
    request: PublishRequest = {},
    onPublished?: OnPublished,
  ): Promise<void> {
    await this.#broker.publishMany(names, message, this.#publishOptions({ options }, request), onPublished);
  }

  #publishOptions(
    channel: Pick<Channel, 'options'>,
    { skipHistory = false, idempotencyKey = '', version = 0, versionEpoch = '' }: PublishRequest,
  ): PublishOptions {
    const history = skipHistory ? { size: 0, ttl: 0, metaTtl: 0 } : this.#channels.history(channel);
    return { history, idempotencyKey, version, versionEpoch };
  }

  /** Tells a channel's subscribers who came or went, when the broker can be reached. */
  announce(kind: 'join' | 'leave', channel: string, info: ClientInfo): void {
    this.#broker.announce(kind, channel, info).catch(() => {});
  }

  /** Brings positioned subscriptions of a channel to its top, or ends them. */
  catchUp(channel: string): void {
    this.#catchUp.start([channel]);
  }

  /** The same, for those that look from time to time. */
  checkPosition(channel: string): void {
    this.#catchUp.check(channel);
  }

  onPublication(channel: string, publication: Publication, epoch: string): void {
    if (!this.#catchUp.holds(channel, publication, epoch)) this.#deliver(channel, publication, epoch);
  }

  onAnnouncement(kind: 'join' | 'leave', channel: string, info: ClientInfo): void {
    const subscribers = this.#hub.subscribers(channel);
    if (!subscribers) return;
    const push = new SharedMessage({ push: { channel, [kind]: { info } } });
    for (const subscription of subscribers) {
      if (subscription.joinLeave && subscription.isLive) subscription.session.sendShared(push);
    }
  }

  onInterruption(channels: readonly string[]): void {
    this.#catchUp.start(channels);
  }

  close(): void {
    this.#catchUp.close();
  }

  #deliver(channel: string, publication: Publication, epoch: string): void {
    const subscribers = this.#hub.subscribers(channel);
    if (!subscribers) return;
    const started = performance.now();
    const push = new PublicationPush(channel, publication, epoch);
    let missing = false;
    for (const subscription of subscribers) {
      if (!subscription.deliver(publication, epoch, push)) missing = true;
    }
    this.#counters.onBroadcast((performance.now() - started) / 1000);
    if (missing) this.catchUp(channel);
  }

  /** The client has missed something: it must start over from its last position. */
  insufficientState(subscription: Subscription): void {
    if (subscription.serverSide) subscription.session.disconnect(disconnect('insufficientState'));
    else this.#subscriber?.unsubscribe(subscription, UNSUBSCRIBE.insufficientState);
  }
}
