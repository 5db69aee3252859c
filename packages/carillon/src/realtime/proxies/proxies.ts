import type { Config } from '../../config/config.ts';
import { DEFAULT_PROXY, type ProxyOptions, type RpcOptions } from '../../config/proxies.ts';
import type { Logger } from '../../logger.ts';
import type { Channel } from '../channels.ts';
import { clientError } from '../codes.ts';
import { payloadIn, textOf } from '../commands.ts';
import { bytesOf, type Payload, RawBytes } from '../payload.ts';
import type { Session } from '../session.ts';
import {
  type ConnectAnswer,
  type PublishAnswer,
  type RefreshAnswer,
  readConnect,
  readPublish,
  readRefresh,
  readRpc,
  readSubscribe,
} from './answers.ts';
import { asClientError, Endpoint, type ProxyCall, type ProxyType } from './endpoint.ts';
import { HeaderSelection, passedOn } from './headers.ts';

type Request = Readonly<Record<string, unknown>>;

export type ProxiesConfig = Pick<Config, 'client' | 'channel' | 'rpc' | 'proxies'>;

export interface ProxiesOptions {
  readonly config: ProxiesConfig;
  readonly logger: Logger;
  readonly onCall?: ((call: ProxyCall) => void) | undefined;
}

/** Asks the application about what clients do. Every method but the two that renew throws ClientError or Disconnect. */
export class Proxies {
  readonly #config: ProxiesConfig;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #rpcNamespaces: ReadonlyMap<string, RpcOptions>;
  /** Which headers of clients are kept for it. */
  readonly headers: HeaderSelection;

  constructor({ config, logger, onCall }: ProxiesOptions) {
    this.#config = config;
    const { client, channel, rpc, proxies } = config;
    const add = (type: ProxyType, name: string, fallback: ProxyOptions) => {
      const key = `${type} ${name}`;
      const options = name === DEFAULT_PROXY ? fallback : proxies.find((proxy) => proxy.name === name);
      if (options && !this.#endpoints.has(key))
        this.#endpoints.set(key, new Endpoint({ type, name, options, logger, observe: onCall }));
    };
    if (client.proxy.connect.enabled) add('connect', DEFAULT_PROXY, client.proxy.connect);
    if (client.proxy.refresh.enabled) add('refresh', DEFAULT_PROXY, client.proxy.refresh);
    for (const options of [channel.without_namespace, ...channel.namespaces]) {
      for (const type of ['subscribe', 'publish', 'sub_refresh'] as const) {
        if (options[`${type}_proxy_enabled`]) add(type, options[`${type}_proxy_name`], channel.proxy[type]);
      }
    }
    for (const options of [rpc.without_namespace, ...rpc.namespaces]) {
      if (options.proxy_enabled) add('rpc', options.proxy_name, rpc.proxy);
    }
    this.#rpcNamespaces = new Map(rpc.namespaces.map((namespace) => [namespace.name, namespace]));
    this.headers = new HeaderSelection([...this.#endpoints.values()].map(({ options }) => options));
  }

  /** Whether the application says who connects without a token. */
  get connects(): boolean {
    return this.#endpoints.has(`connect ${DEFAULT_PROXY}`);
  }

  /** Whether the application says how long a connection lives on, instead of the client's next token. */
  get refreshes(): boolean {
    return this.#endpoints.has(`refresh ${DEFAULT_PROXY}`);
  }

  /** @returns undefined when the application knows nothing of this client */
  async connect(session: Session, request: Request, channels: string[]): Promise<ConnectAnswer | undefined> {
    const endpoint = this.#endpoint('connect', DEFAULT_PROXY);
    const body = {
      name: textOf(request, 'name') || undefined,
      version: textOf(request, 'version') || undefined,
      ...payloadMembers(endpoint, payloadIn(request, 'data')),
      channels: channels.length > 0 ? channels : undefined,
    };
    return this.#ask(endpoint, session, body, readConnect);
  }

  /** @throws ProxyError when nobody can say */
  async refresh(session: Session): Promise<RefreshAnswer> {
    const endpoint = this.#endpoint('refresh', DEFAULT_PROXY);
    const { headers } = this.#about(endpoint, session);
    return endpoint.ask(this.#known(endpoint, session, {}), headers, readRefresh);
  }

  /** @throws ProxyError when nobody can say */
  async subRefresh(session: Session, { name, options }: Channel): Promise<RefreshAnswer> {
    const endpoint = this.#endpoint('sub_refresh', options.sub_refresh_proxy_name);
    const { headers } = this.#about(endpoint, session);
    return endpoint.ask(this.#known(endpoint, session, { channel: name }), headers, readRefresh);
  }

  async subscribe(session: Session, { name, options }: Channel, request: Request) {
    const endpoint = this.#endpoint('subscribe', options.subscribe_proxy_name);
    const body = { channel: name, ...payloadMembers(endpoint, payloadIn(request, 'data')) };
    return this.#ask(endpoint, session, this.#known(endpoint, session, body), readSubscribe);
  }

  async publish(
    session: Session,
    { name, options }: Channel,
    data: Payload | undefined,
  ): Promise<PublishAnswer> {
    const endpoint = this.#endpoint('publish', options.publish_proxy_name);
    const body = { channel: name, ...payloadMembers(endpoint, data) };
    return this.#ask(endpoint, session, this.#known(endpoint, session, body), readPublish);
  }

  async rpc(session: Session, method: string, data: Payload | undefined): Promise<object> {
    const { rpc } = this.#config;
    const colon = method.indexOf(':');
    const options = colon < 0 ? rpc.without_namespace : this.#rpcNamespaces.get(method.slice(0, colon));
    const some = [...this.#endpoints.keys()].some((key) => key.startsWith('rpc '));
    if (!some) throw clientError(rpc.ping.enabled ? 'methodNotFound' : 'notAvailable');
    if (!options) throw clientError('methodNotFound');
    if (!options.proxy_enabled) throw clientError('notAvailable');
    const endpoint = this.#endpoint('rpc', options.proxy_name);
    const body = { method, ...payloadMembers(endpoint, data) };
    return this.#ask(endpoint, session, this.#known(endpoint, session, body), readRpc);
  }

  close(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.close();
  }

  #endpoint(type: ProxyType, name: string): Endpoint {
    const endpoint = this.#endpoints.get(`${type} ${name}`);
    if (!endpoint) throw new Error(`there is no ${type} proxy ${name}`);
    return endpoint;
  }

  async #ask<T>(
    endpoint: Endpoint,
    session: Session,
    body: object,
    read: (answer: unknown) => T,
  ): Promise<T> {
    const { about, headers } = this.#about(endpoint, session);
    try {
      return await endpoint.ask({ ...about, ...body }, headers, read);
    } catch (error) {
      throw asClientError(error);
    }
  }

  #about({ options }: Endpoint, session: Session) {
    const { name: transport, codec } = session.transport;
    const encoding = options.binary_encoding ? 'binary' : 'json';
    return {
      about: { client: session.id, transport, protocol: codec.name, encoding },
      headers: passedOn(session.headers, options),
    };
  }

  /** What is known of a client that is connected. */
  #known(endpoint: Endpoint, session: Session, body: object): object {
    return {
      ...this.#about(endpoint, session).about,
      user: session.user,
      ...body,
      meta: endpoint.options.include_connection_meta ? session.meta : undefined,
    };
  }
}

/** @throws ClientError 107 for bytes that are no JSON, where the proxy takes none */
function payloadMembers({ options }: Endpoint, data: Payload | undefined): object {
  if (data === undefined) return {};
  if (options.binary_encoding) return { b64data: bytesOf(data).toString('base64') };
  if (data instanceof RawBytes) throw clientError('badRequest');
  return { data };
}
