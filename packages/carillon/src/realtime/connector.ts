import type { Config } from '../config/config.ts';
import type { Channels } from './channels.ts';
import { clientError, Disconnect, disconnect } from './codes.ts';
import { textOf } from './commands.ts';
import type { Hub } from './hub.ts';
import type { Session } from './session.ts';
import type { Subscriber } from './subscriber.ts';
import type { Claims, TokenVerifier } from './tokens.ts';

type Request = Readonly<Record<string, unknown>>;

export interface ConnectorOptions {
  readonly config: Pick<Config, 'client'>;
  readonly channels: Channels;
  readonly hub: Hub;
  readonly subscriber: Subscriber;
  readonly tokens: TokenVerifier;
  readonly version: string;
}

/** `connect` and `refresh`: who a connection is, and until when. */
export class Connector {
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  async connect(session: Session, request: Request): Promise<object> {
    const { config, hub, subscriber, version } = this.#options;
    const { client } = config;
    const claims = this.#credentials(textOf(request, 'token'));
    const limit = client.user_connection_limit;
    if (limit > 0 && claims.user !== '' && hub.sessionsOf(claims.user).length >= limit)
      throw disconnect('connectionLimit');
    if (claims.subs.size > client.channel_limit) throw disconnect('channelLimit');
    session.user = claims.user;
    session.info = claims.info;
    session.expireAt = client.insecure ? 0 : claims.expireAt;
    session.state = 'connected';
    hub.addSession(session);
    const subs = await subscriber.subscribeServerSide(session, claims.subs, positionsOf(request.subs));
    return {
      client: session.id,
      version,
      ...timeToLive(session.expireAt),
      data: claims.data,
      subs: Object.keys(subs).length > 0 ? subs : undefined,
      ping: Math.max(1, Math.round(client.ping_interval / 1000)),
      pong: client.pong_timeout > 0 || undefined,
      time: client.connect_include_server_time ? Date.now() : undefined,
    };
  }

  /** Pings and presence start once the client knows that it is connected. */
  afterReply(session: Session): void {
    const { client } = this.#options.config;
    const now = Date.now();
    session.nextPingAt = now + client.ping_interval * (0.5 + 0.5 * Math.random());
    session.nextPresenceAt = now + client.presence_update_interval * Math.random();
    for (const subscription of session.subscriptions.values()) {
      if (subscription.serverSide) this.#options.subscriber.afterReply(session, subscription.channel.name);
    }
  }

  async refresh(session: Session, token: string): Promise<object> {
    if (!token) throw disconnect('badRequest');
    const verdict = this.#options.tokens.verify(token);
    if (verdict.kind === 'expired') throw disconnect('connectionExpired');
    if (verdict.kind === 'invalid' || verdict.claims.channel) throw disconnect('invalidToken');
    const { claims } = verdict;
    if (claims.user !== session.user) throw disconnect('invalidToken');
    const serverSide = [...session.subscriptions.values()].filter((subscription) => subscription.serverSide);
    const same =
      serverSide.length === claims.subs.size &&
      serverSide.every(({ channel }) => claims.subs.has(channel.name));
    if (!same) throw disconnect('insufficientState');
    session.expireAt = claims.expireAt;
    return { client: session.id, version: this.#options.version, ...timeToLive(claims.expireAt) };
  }

  #credentials(token: string): Claims {
    const { config, tokens, channels } = this.#options;
    const { client } = config;
    if (!token) {
      if (!client.insecure && !client.allow_anonymous_connect_without_token) throw disconnect('badRequest');
      return {
        user: '',
        expireAt: 0,
        info: undefined,
        data: undefined,
        channel: '',
        client: '',
        subs: new Map(),
      };
    }
    const verdict = tokens.verify(token);
    if (verdict.kind === 'expired') throw clientError('tokenExpired');
    if (verdict.kind === 'invalid') throw new Disconnect(3500, 'invalid token');
    const { claims } = verdict;
    if (claims.channel) throw disconnect('invalidToken');
    if (claims.user === '' && client.disallow_anonymous_connection_tokens)
      throw disconnect('permissionDenied');
    for (const channel of claims.subs.keys())
      if (!channels.find(channel)) throw clientError('unknownChannel');
    return claims;
  }
}

/** `expires` and `ttl` (seconds) of a reply; empty when it never expires. */
export function timeToLive(expireAt: number): { expires?: boolean; ttl?: number } {
  if (expireAt === 0) return {};
  return { expires: true, ttl: Math.max(1, Math.ceil(expireAt - Date.now() / 1000)) };
}

function positionsOf(value: unknown): ReadonlyMap<string, Request> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(
    Object.entries(value).filter(([, item]) => typeof item === 'object' && item !== null),
  ) as ReadonlyMap<string, Request>;
}
