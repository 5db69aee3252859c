import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Channels } from './channels.ts';
import type { Claims, SubscriptionClaims } from './claims.ts';
import { clientError, disconnect } from './codes.ts';
import { textOf } from './commands.ts';
import type { Hub } from './hub.ts';
import type { Payload } from './payload.ts';
import { clientMaySubscribe } from './permissions.ts';
import type { Session } from './session.ts';
import type { ServerSide, Subscriber } from './subscriber.ts';
import type { TokenVerifier } from './tokens.ts';

type Request = Readonly<Record<string, unknown>>;

export interface ConnectorOptions {
  readonly config: Pick<Config, 'client'>;
  readonly channels: Channels;
  readonly hub: Hub;
  readonly subscriber: Subscriber;
  readonly tokens: TokenVerifier;
  readonly version: string;
  readonly logger: Logger;
  /** This node's uid. */
  readonly node: string;
}

/** Who a connection is, whoever says so. */
interface Credentials {
  readonly user: string;
  /** Unix seconds; 0 for never. */
  readonly expireAt: number;
  readonly info?: Payload | undefined;
  readonly meta?: Payload | undefined;
  readonly data?: Payload | undefined;
  readonly subs: ReadonlyMap<string, SubscriptionClaims>;
  /** Whether `subs` come from a token. */
  readonly fromToken: boolean;
}

/** `connect` and `refresh`: who a connection is, and until when. */
export class Connector {
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  async connect(session: Session, request: Request): Promise<object> {
    const { config, hub, subscriber, version, node } = this.#options;
    const { client } = config;
    const credentials = await this.#credentials(session, request);
    if (session.state === 'closed') throw disconnect('connectionClosed');
    const positions = positionsOf(request.subs);
    const subs = this.#serverSide(credentials, positions);
    const { user } = credentials;
    const expireAt = client.insecure ? 0 : credentials.expireAt;
    if (isPast(expireAt)) throw clientError('expired');
    const earlier = user === '' ? [] : hub.sessionsOf(user);
    const { enabled, single_connection: single } = client.subscribe_to_user_personal_channel;
    if (enabled && single) for (const other of earlier) other.disconnect(disconnect('connectionLimit'));
    else if (client.user_connection_limit > 0 && earlier.length >= client.user_connection_limit)
      throw disconnect('connectionLimit');
    if (subs.size > client.channel_limit) throw disconnect('channelLimit');
    session.user = user;
    session.info = credentials.info;
    session.meta = credentials.meta;
    session.expireAt = expireAt;
    session.state = 'connected';
    hub.addSession(session);
    const { hasMessagePings, isUnidirectional } = session;
    const results = await subscriber.subscribeServerSide(session, subs, positions);
    return {
      client: session.id,
      version,
      ...timeToLive(session.expireAt),
      data: credentials.data,
      subs: Object.keys(results).length > 0 ? results : undefined,
      ping:
        hasMessagePings || isUnidirectional
          ? Math.max(1, Math.round(client.ping_interval / 1000))
          : undefined,
      pong: (hasMessagePings && client.pong_timeout > 0) || undefined,
      session: isUnidirectional || session.isEmulated ? session.key : undefined,
      node: session.isEmulated ? node : undefined,
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
    const verdict = await this.#options.tokens.verify(token);
    if (verdict.kind === 'unavailable') throw clientError('internal');
    if (verdict.kind === 'expired') throw disconnect('connectionExpired');
    if (verdict.kind === 'invalid' || verdict.claims.channel) throw disconnect('invalidToken');
    const { claims } = verdict;
    if (claims.user !== session.user) throw disconnect('invalidToken');
    if (isPast(claims.expireAt)) throw disconnect('connectionExpired');
    const same =
      [...claims.subs.keys()].every((name) => session.subscriptions.has(name)) &&
      [...session.subscriptions.values()].every(
        ({ fromToken, channel }) => !fromToken || claims.subs.has(channel.name),
      );
    if (!same) throw disconnect('insufficientState');
    session.expireAt = claims.expireAt;
    session.info = claims.info ?? session.info;
    session.meta = claims.meta ?? session.meta;
    return { client: session.id, version: this.#options.version, ...timeToLive(claims.expireAt) };
  }

  /** @throws ClientError, Disconnect */
  async #credentials(session: Session, request: Request): Promise<Credentials> {
    const { client } = this.#options.config;
    const token = textOf(request, 'token');
    if (token) return { ...(await this.#tokenClaims(session, token)), fromToken: true };
    if (client.insecure || client.allow_anonymous_connect_without_token)
      return { user: '', expireAt: 0, subs: new Map(), fromToken: false };
    throw disconnect('badRequest');
  }

  async #tokenClaims(session: Session, token: string): Promise<Claims> {
    const { config, tokens, channels, logger } = this.#options;
    const verdict = await tokens.verify(token);
    if (verdict.kind === 'unavailable') throw clientError('internal');
    if (verdict.kind === 'expired') throw clientError('tokenExpired');
    if (verdict.kind === 'invalid' || verdict.claims.channel) {
      const reason = verdict.kind === 'invalid' ? verdict.reason : 'it is a subscription token';
      logger.debug({ client: session.id, reason }, 'a connection token was refused');
      throw disconnect('invalidToken');
    }
    const { claims } = verdict;
    if (claims.user === '' && config.client.disallow_anonymous_connection_tokens)
      throw disconnect('permissionDenied');
    for (const channel of claims.subs.keys())
      if (!channels.find(channel)) throw clientError('unknownChannel');
    return claims;
  }

  /** All server-side subscriptions: granted ones, the user's own channel, and what the client asks for and may have. */
  #serverSide({ user, subs, fromToken }: Credentials, asked: ReadonlyMap<string, Request>): ServerSide {
    const { channels, config } = this.#options;
    const all = new Map([...subs].map(([name, claims]) => [name, { ...claims, fromToken }]));
    const { enabled, personal_channel_namespace: namespace } =
      config.client.subscribe_to_user_personal_channel;
    if (enabled && user !== '')
      all.set(namespace ? `${namespace}:#${user}` : `#${user}`, { fromToken: false });
    for (const name of asked.keys()) {
      const channel = channels.find(name);
      if (!channel) throw disconnect('badRequest');
      if (all.has(name) || channel.isPrivate || channels.isTooLong(name)) continue;
      if (!channels.isValidName(channel)) continue;
      if (clientMaySubscribe(channel, user) || config.client.insecure) all.set(name, { fromToken: false });
    }
    return all;
  }
}

/** `expires` and `ttl` (seconds) of a reply; empty when it never expires. */
export function timeToLive(expireAt: number): { expires?: boolean; ttl?: number } {
  if (expireAt === 0) return {};
  return { expires: true, ttl: Math.max(1, Math.ceil(expireAt - Date.now() / 1000)) };
}

/** Whether a time in unix seconds, 0 for never, has come. */
export function isPast(expireAt: number): boolean {
  return expireAt > 0 && expireAt <= Date.now() / 1000;
}

function positionsOf(value: unknown): ReadonlyMap<string, Request> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(
    Object.entries(value).filter(([, item]) => typeof item === 'object' && item !== null),
  ) as ReadonlyMap<string, Request>;
}
