import type { Broker, PublishOptions } from './broker.ts';
import type { Channel, Channels } from './channels.ts';
import { SharedMessage } from './codec/codec.ts';
import { disconnect, UNSUBSCRIBE } from './codes.ts';
import type { Hub } from './hub.ts';
import type { ClientInfo, Publication, StreamPosition } from './publication.ts';
import type { Subscriber } from './subscriber.ts';
import { publicationPush, type Subscription } from './subscription.ts';

export interface PublishRequest extends Partial<Omit<PublishOptions, 'history'>> {
  readonly skipHistory?: boolean;
}

/** Brings publications, joins and leaves to everybody who is subscribed. */
export class Publisher {
  readonly #hub: Hub;
  readonly #broker: Broker;
  readonly #channels: Channels;
  #subscriber: Subscriber | undefined;

  constructor(hub: Hub, broker: Broker, channels: Channels) {
    this.#hub = hub;
    this.#broker = broker;
    this.#channels = channels;
  }

  /** The two need each other: a hole ends a subscription, a subscription announces its join. */
  attach(subscriber: Subscriber): void {
    this.#subscriber = subscriber;
  }

  /** Stores and delivers; gives back the position, undefined without history. */
  async publish(
    channel: Channel,
    message: Omit<Publication, 'offset'>,
    { skipHistory = false, idempotencyKey = '', version = 0, versionEpoch = '' }: PublishRequest = {},
  ): Promise<StreamPosition | undefined> {
    const history = skipHistory ? { size: 0, ttl: 0, metaTtl: 0 } : this.#channels.history(channel);
    const { position, publication } = await this.#broker.publish(channel.name, message, {
      history,
      idempotencyKey,
      version,
      versionEpoch,
    });
    if (publication) this.#deliver(channel.name, publication, position?.epoch ?? '');
    return position;
  }

  /** Tells a channel's subscribers who came or went. */
  announce(kind: 'join' | 'leave', channel: string, info: ClientInfo): void {
    const subscribers = this.#hub.subscribers(channel);
    if (!subscribers) return;
    const push = new SharedMessage({ push: { channel, [kind]: { info } } });
    for (const subscription of subscribers) {
      if (subscription.joinLeave && subscription.isLive) subscription.session.sendShared(push);
    }
  }

  #deliver(channel: string, publication: Publication, epoch: string): void {
    const subscribers = this.#hub.subscribers(channel);
    if (!subscribers) return;
    const push = publicationPush(channel, publication, epoch);
    for (const subscription of subscribers) {
      if (!subscription.deliver(publication, epoch, push)) this.insufficientState(subscription);
    }
  }

  /** The client has missed something: it must start over from its last position. */
  insufficientState(subscription: Subscription): void {
    if (subscription.serverSide) subscription.session.disconnect(disconnect('insufficientState'));
    else this.#subscriber?.unsubscribe(subscription, UNSUBSCRIBE.insufficientState);
  }
}
