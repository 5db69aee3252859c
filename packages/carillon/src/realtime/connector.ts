import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { Channels } from './channels.ts';
import type { Claims, SubscriptionClaims } from './claims.ts';
import { clientError, disconnect } from './codes.ts';
import { isRecord, textOf } from './commands.ts';
import type { Hub } from './hub.ts';
import type { Payload } from './payload.ts';
import { clientMaySubscribe } from './permissions.ts';
import type { Proxies } from './proxies/proxies.ts';
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
  readonly proxies: Proxies;
  readonly version: string;
  readonly logger: Logger;
  /** This node's uid. */
  readonly node: string;
  /** Closes a user's other connections, on all nodes. @throws UnavailableError */
  readonly closeOthers: (user: string, client: string) => Promise<unknown>;
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
  readonly from: 'token' | 'application' | 'nobody';
}

/** `connect` and `refresh`: who a connection is, and until when. */
export class Connector {
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  async connect(session: Session, request: Request): Promise<object> {
    const { config, hub, subscriber, proxies, version, node } = this.#options;
    const { client } = config;
    session.headers = proxies.headers.withEmulated(session.headers, request.headers);
    const positions = positionsOf(request.subs);
    const credentials = await this.#credentials(session, request, [...positions.keys()]);
    if (session.state === 'closed') throw disconnect('connectionClosed');
    const subs = this.#serverSide(credentials, positions);
    const { user } = credentials;
    const expireAt = client.insecure ? 0 : credentials.expireAt;
    if (isPast(expireAt)) throw clientError('expired');
    const earlier = user === '' ? [] : hub.sessionsOf(user);
    const { enabled, single_connection: single } = client.subscribe_to_user_personal_channel;
    const isAlone = enabled && single && user !== '';
    if (!isAlone && client.user_connection_limit > 0 && earlier.length >= client.user_connection_limit)
      throw disconnect('connectionLimit');
    if (subs.size > client.channel_limit) throw disconnect('channelLimit');
    session.user = user;
    session.info = credentials.info;
    session.meta = credentials.meta;
    session.expireAt = expireAt;
    session.state = 'connected';
    // Names that clients make up must not become series of their own.
    if (textOf(request, 'name')) session.metricName = 'unregistered';
    if (textOf(request, 'version')) session.metricVersion = 'unregistered';
    hub.addSession(session);
    // Of two that connect at once the later closes the earlier, since both are there to be found.
    if (isAlone) await this.#options.closeOthers(user, session.id);
    const { hasMessagePings, isUnidirectional } = session;
    const results = await subscriber.subscribeServerSide(session, subs, positions);
    return {
      client: session.id,
      version,
      ...timeToLive(proxies.refreshes ? 0 : session.expireAt),
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
    if (!token || this.#options.proxies.refreshes) throw disconnect('badRequest');
    const verdict = await this.#options.tokens.verify(token);
    if (verdict.kind === 'unavailable') throw clientError('internal');
    if (verdict.kind === 'expired') throw disconnect('connectionExpired');
    if (verdict.kind === 'invalid' || verdict.claims.channel) throw disconnect('invalidToken');
    const { claims } = verdict;
    if (claims.user !== session.user) throw disconnect('invalidToken');
    if (isPast(claims.expireAt)) throw clientError('expired');
    const same =
      [...claims.subs.keys()].every((name) => session.subscriptions.has(name)) &&
      [...session.subscriptions.values()].every(
        ({ fromToken, channel }) => !fromToken || claims.subs.has(channel.name),
      );
    if (!same) throw disconnect('insufficientState');
    session.expireAt = claims.expireAt;
    session.info = claims.info ?? session.info;
    session.meta = claims.meta ?? session.meta;
    return timeToLive(claims.expireAt);
  }

  /** @throws ClientError, Disconnect */
  async #credentials(session: Session, request: Request, channels: string[]): Promise<Credentials> {
    const { config, proxies } = this.#options;
    const { client } = config;
    const token = textOf(request, 'token');
    if (token) return { ...(await this.#tokenClaims(session, token)), from: 'token' };
    const answer = proxies.connects ? await proxies.connect(session, request, channels) : undefined;
    if (answer) {
      this.#checkChannels(answer.subs);
      return { ...answer, from: 'application' };
    }
    if (client.insecure || client.allow_anonymous_connect_without_token)
      return { user: '', expireAt: 0, subs: new Map(), from: 'nobody' };
    throw disconnect('badRequest');
  }

  async #tokenClaims(session: Session, token: string): Promise<Claims> {
    const { config, tokens, logger } = this.#options;
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
    this.#checkChannels(claims.subs);
    return claims;
  }

  #checkChannels(subs: Claims['subs']): void {
    for (const name of subs.keys())
      if (!this.#options.channels.find(name)) throw clientError('unknownChannel');
  }

  /** All server-side subscriptions: granted ones, the user's own channel, and what the client asks for and may have. */
  #serverSide({ user, subs, from }: Credentials, asked: ReadonlyMap<string, Request>): ServerSide {
    const { channels, config } = this.#options;
    const all = new Map(
      [...subs].map(([name, claims]) => [name, { ...claims, fromToken: from === 'token' }]),
    );
    const { enabled, personal_channel_namespace: namespace } =
      config.client.subscribe_to_user_personal_channel;
    if (enabled && user !== '')
      all.set(namespace ? `${namespace}:#${user}` : `#${user}`, { fromToken: false });
    // The application was told what is asked for, and has said what it grants.
    if (from === 'application') return all;
    for (const name of asked.keys()) {
      const channel = channels.find(name);
      if (!channel) throw disconnect('badRequest');
      if (all.has(name) || channel.isPrivate || channels.isTooLong(name)) continue;
      if (!channels.isValidName(channel) || channel.options.subscribe_proxy_enabled) continue;
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

/** @throws Disconnect 3501 */
function positionsOf(value: unknown): ReadonlyMap<string, Request> {
  if (!isRecord(value ?? {})) throw disconnect('badRequest');
  const positions = Object.entries(value ?? {}).map(([name, item]): [string, unknown] => [name, item ?? {}]);
  if (!positions.every(([, item]) => isRecord(item))) throw disconnect('badRequest');
  return new Map(positions) as ReadonlyMap<string, Request>;
}
