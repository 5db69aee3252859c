import { channelMatcher } from './channel-matcher.ts';
import type { Channels } from './channels.ts';
import type { Override } from './claims.ts';
import { Disconnect, disconnect, UNSUBSCRIBE } from './codes.ts';
import type { Hub } from './hub.ts';
import { type Payload, payloadOfBytes } from './payload.ts';
import type { Session } from './session.ts';
import type { Subscriber } from './subscriber.ts';

/** Whose connections are meant; an empty user are the anonymous ones. */
export interface Who {
  readonly user?: string;
  readonly client?: string;
  readonly session?: string;
}

export interface SubscribeRequest extends Who {
  readonly channel: string;
  /** Base64 of what others see of it. */
  readonly b64info?: string | undefined;
  /** Base64 of what the client gets with it. */
  readonly b64data?: string | undefined;
  readonly override?: Override | undefined;
  readonly recover_since?: { readonly offset?: number; readonly epoch?: string };
  /** Unix seconds; 0 for never. */
  readonly expire_at?: number;
}

export interface RefreshRequest extends Who {
  readonly expired?: boolean;
  readonly expire_at?: number;
  readonly b64info?: string | undefined;
}

export interface UnsubscribeRequest extends Who {
  readonly channel: string;
}

export interface DisconnectRequest extends Who {
  /** Clients that stay. */
  readonly whitelist?: readonly string[];
  readonly code: number;
  readonly reason: string;
}

export interface ChannelsRequest {
  readonly pattern?: string;
}

export interface ConnectionsOptions {
  readonly hub: Hub;
  readonly channels: Channels;
  readonly subscriber: Subscriber;
}

/** What the server API does to the live connections of this node. Requests are plain JSON, since they come from other nodes, too. */
export class Connections {
  readonly #options: ConnectionsOptions;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  async subscribe(request: SubscribeRequest): Promise<void> {
    const { channels, subscriber } = this.#options;
    const channel = channels.find(request.channel);
    if (!channel) throw new Error(`no namespace for ${JSON.stringify(request.channel)} is configured`);
    const grant = {
      info: payloadOf(request.b64info),
      data: payloadOf(request.b64data),
      expireAt: Math.max(0, request.expire_at ?? 0),
      override: request.override,
    };
    for (const session of this.#sessions(request))
      await subscriber.subscribeLive(session, channel, grant, request.recover_since);
  }

  unsubscribe(request: UnsubscribeRequest): void {
    for (const session of this.#sessions(request)) {
      const subscription = session.subscriptions.get(request.channel);
      if (subscription) this.#options.subscriber.unsubscribe(subscription, UNSUBSCRIBE.server);
      else this.#options.subscriber.sendUnsubscribe(session, request.channel, UNSUBSCRIBE.server);
    }
  }

  disconnect(request: DisconnectRequest): void {
    const spared = new Set(request.whitelist);
    for (const session of this.#sessions(request)) {
      if (!spared.has(session.id)) session.disconnect(new Disconnect(request.code, request.reason));
    }
  }

  refresh(request: RefreshRequest): void {
    const { expired = false } = request;
    const expireAt = Math.max(0, request.expire_at ?? 0);
    const info = payloadOf(request.b64info);
    const now = Date.now() / 1000;
    for (const session of this.#sessions(request)) {
      if (expired || (expireAt > 0 && expireAt <= now)) {
        session.disconnect(disconnect('connectionExpired'));
        continue;
      }
      session.expireAt = expireAt;
      session.info = info ?? session.info;
      const ttl = Math.ceil(expireAt - now);
      session.send({ push: { refresh: expireAt > 0 ? { expires: true, ttl } : {} } });
    }
  }

  /** Channels of this node that fit the glob, all without one, and how many clients are in each. */
  channels({ pattern }: ChannelsRequest): [string, number][] {
    const fits = channelMatcher(pattern);
    return this.#options.hub
      .channels()
      .filter(({ name }) => fits(name))
      .map(({ name, clients }) => [name, clients]);
  }

  #sessions({ user, client, session }: Who): Session[] {
    return this.#options.hub
      .sessionsOf(user ?? '')
      .filter(({ id, key }) => (!client || id === client) && (!session || key === session || id === session));
  }
}

function payloadOf(encoded: string | undefined): Payload | undefined {
  return encoded === undefined ? undefined : payloadOfBytes(Buffer.from(encoded, 'base64'));
}
