import type { Config } from '../config/config.ts';
import type { Admission } from './admission.ts';
import { type Broker, EpochMismatchError } from './broker.ts';
import { type Channel, type Channels, hasHistory } from './channels.ts';
import { clientError, disconnect } from './codes.ts';
import type { CommandHandler } from './command-handler.ts';
import { flagOf, isRecord, offsetOf, payloadIn, type RequestName, textOf, wholeOf } from './commands.ts';
import { type Connector, isPast, timeToLive } from './connector.ts';
import type { Counters } from './counters.ts';
import { NO_DATA } from './payload.ts';
import { clientMay } from './permissions.ts';
import type { PresenceStore } from './presence.ts';
import type { Proxies } from './proxies/proxies.ts';
import { publicationBody, type StreamPosition } from './publication.ts';
import type { Publisher } from './publisher.ts';
import type { Session } from './session.ts';
import type { Subscriber } from './subscriber.ts';

type Request = Readonly<Record<string, unknown>>;

export interface ClientCommandsOptions {
  readonly config: Pick<Config, 'client' | 'rpc'>;
  readonly channels: Channels;
  readonly broker: Broker;
  readonly presence: PresenceStore;
  readonly publisher: Publisher;
  readonly connector: Connector;
  readonly subscriber: Subscriber;
  readonly admission: Admission;
  readonly counters: Counters;
  readonly proxies: Proxies;
}

/** The commands of the client protocol (client-protocol, section 4). */
export class ClientCommands implements CommandHandler {
  readonly #options: ClientCommandsOptions;

  constructor(options: ClientCommandsOptions) {
    this.#options = options;
  }

  async handle(session: Session, name: RequestName, request: Request): Promise<object | undefined> {
    switch (name) {
      case 'connect':
        return this.#options.connector.connect(session, request);
      case 'subscribe':
        return this.#options.subscriber.subscribe(session, request);
      case 'unsubscribe':
        return this.#unsubscribe(session, request);
      case 'publish':
        return this.#publish(session, request);
      case 'presence':
      case 'presence_stats':
        return this.#presence(session, request, name === 'presence_stats');
      case 'history':
        return this.#history(session, request);
      case 'refresh':
        return this.#options.connector.refresh(session, textOf(request, 'token'));
      case 'sub_refresh':
        return this.#subRefresh(session, request);
      case 'send':
        throw disconnect('notAvailable');
      case 'rpc':
        return this.#rpc(session, request);
    }
  }

  async afterReply(session: Session, name: RequestName, request: Request): Promise<void> {
    if (name === 'connect') this.#options.connector.afterReply(session);
    else if (name === 'subscribe') this.#options.subscriber.afterReply(session, textOf(request, 'channel'));
  }

  async #unsubscribe(session: Session, request: Request): Promise<object> {
    const channel = textOf(request, 'channel');
    if (!channel) throw disconnect('badRequest');
    const subscription = session.subscriptions.get(channel);
    if (subscription) this.#options.subscriber.remove(subscription);
    return {};
  }

  async #publish(session: Session, request: Request): Promise<object> {
    const channel = this.#channel(textOf(request, 'channel'));
    const isAsked = channel.options.publish_proxy_enabled;
    if (!isAsked && !this.#may(session, channel, 'publish')) throw clientError('permissionDenied');
    // 1 is for maps, which no namespace here has.
    if (wholeOf(request, 'type') !== 0) throw clientError('permissionDenied');
    const data = payloadIn(request, 'data');
    if (this.#options.channels.dataProblem(channel, data)) throw clientError('badRequest');
    const answer = isAsked ? await this.#options.proxies.publish(session, channel, data) : undefined;
    const subscription = session.subscriptions.get(channel.name);
    await this.#options.publisher.publish(
      channel,
      {
        data: answer?.data ?? data ?? NO_DATA,
        info: subscription?.clientInfo() ?? {
          user: session.user,
          client: session.id,
          conn_info: session.info,
        },
        tags: answer?.tags,
        delta: answer?.delta,
      },
      answer,
    );
    return {};
  }

  async #rpc(session: Session, request: Request): Promise<object> {
    const { config, proxies } = this.#options;
    const method = textOf(request, 'method');
    const { ping } = config.rpc;
    if (ping.enabled && method === ping.method) return {};
    return proxies.rpc(session, method, payloadIn(request, 'data'));
  }

  async #presence(session: Session, request: Request, stats: boolean): Promise<object> {
    const channel = this.#channel(textOf(request, 'channel'));
    if (!channel.options.presence) throw clientError('notAvailable');
    if (!this.#may(session, channel, 'presence')) throw clientError('permissionDenied');
    const { presence } = this.#options;
    return stats ? presence.stats(channel.name) : { presence: await presence.of(channel.name) };
  }

  async #history(session: Session, request: Request): Promise<object> {
    const channel = this.#channel(textOf(request, 'channel'));
    if (!hasHistory(channel)) throw clientError('notAvailable');
    if (!this.#may(session, channel, 'history')) throw clientError('permissionDenied');
    const max = this.#options.config.client.history_max_publication_limit;
    const asked = wholeOf(request, 'limit');
    const since = sinceOf(request.since);
    const reverse = flagOf(request, 'reverse');
    if (reverse && since && since.offset === 0) throw clientError('badRequest');
    const limit = asked < 0 || asked > max ? max : asked;
    const options = this.#options.channels.history(channel);
    this.#options.counters.action('history');
    try {
      const found = await this.#options.broker.history(channel.name, { since, limit, reverse }, options);
      const publications = found.publications.map((item) => publicationBody(item, found.epoch));
      return { publications, offset: found.offset, epoch: found.epoch };
    } catch (error) {
      if (error instanceof EpochMismatchError) throw clientError('unrecoverablePosition');
      throw error;
    }
  }

  async #subRefresh(session: Session, request: Request): Promise<object> {
    const channel = textOf(request, 'channel');
    if (!channel) throw disconnect('badRequest');
    const subscription = session.subscriptions.get(channel);
    if (!subscription) throw clientError('permissionDenied');
    // Its end is the connection's, or for the server API to say.
    if (subscription.serverSide) throw disconnect('badRequest');
    const grant = await this.#options.admission.refresh(session, subscription, request);
    if (isPast(grant.expireAt)) throw clientError('expired');
    subscription.expireAt = grant.expireAt;
    subscription.info = grant.info ?? subscription.info;
    return timeToLive(grant.expireAt);
  }

  #channel(name: string): Channel {
    if (!name) throw disconnect('badRequest');
    const channel = this.#options.channels.find(name);
    if (!channel) throw clientError('unknownChannel');
    if (!this.#options.channels.isValidName(channel)) throw clientError('badRequest');
    return channel;
  }

  #may(session: Session, channel: Channel, action: 'publish' | 'presence' | 'history'): boolean {
    if (this.#options.config.client.insecure) return true;
    return clientMay(action, channel, session.user, session.subscriptions.has(channel.name));
  }
}

function sinceOf(value: unknown): StreamPosition | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) throw disconnect('badRequest');
  return { offset: offsetOf(value), epoch: textOf(value, 'epoch') };
}
