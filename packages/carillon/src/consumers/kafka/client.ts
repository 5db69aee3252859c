import { isIP } from 'node:net';
import {
  type API,
  Base,
  type Broker,
  type ClusterMetadata,
  type ClusterTopicMetadata,
  type Connection,
  type ConnectionOptions,
  ConnectionPool,
  type findCoordinatorV6,
  findErrorBy,
  kGetApi,
  SASLMechanisms,
} from '@platformatic/kafka';
import type { KafkaConsumerOptions } from '../../config/config.ts';
import { readTls } from '../../config/tls.ts';

const CLIENT_ID = 'carillon';
/** Longer than the broker keeps any request of ours, but for those of a group: see `groupTimeout`. */
const REQUEST_TIMEOUT_MS = 30_000;
const GROUP_KEY = 0;

const MECHANISMS = {
  plain: SASLMechanisms.PLAIN,
  'scram-sha-256': SASLMechanisms.SCRAM_SHA_256,
  'scram-sha-512': SASLMechanisms.SCRAM_SHA_512,
} as const;

/**
 * A broker answers the requests of one connection one after another, and some of them late on purpose. Each purpose
 * has connections of its own, so that a commit does not wait for a fetch, or a fetch for other partitions' fetch.
 */
export type Purpose = 'group' | 'offsets' | 'fetch-0' | 'fetch-1';

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A client of one Kafka cluster. It repeats nothing by itself: whoever asks decides what a failure means. */
export class KafkaClient {
  readonly #base: Base;
  readonly #connection: ConnectionOptions;
  /** Empty: a broker's own name. */
  readonly #serverName: string;
  readonly #groupTimeout: number;
  readonly #pools = new Map<string, ConnectionPool>();
  #coordinator: Broker | undefined;

  /** `groupTimeout`: milliseconds a group may take to answer. @throws in words when a PEM cannot be read */
  constructor(options: KafkaConsumerOptions, optionPath: string, groupTimeout: number) {
    this.#groupTimeout = groupTimeout;
    this.#serverName = options.tls.server_name;
    this.#connection = {
      connectTimeout: options.dial_timeout,
      ...(options.tls.enabled && { tls: readTls(options.tls, `${optionPath}.tls`) }),
      ...(isSupported(options.sasl_mechanism) && {
        sasl: {
          mechanism: MECHANISMS[options.sasl_mechanism],
          username: options.sasl_user,
          password: options.sasl_password,
        },
      }),
    };
    const hosts = options.brokers.map((broker) => broker.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
    this.#base = new Base({
      ...this.#connection,
      ...this.#serverNameFor(hosts),
      requestTimeout: REQUEST_TIMEOUT_MS,
      clientId: CLIENT_ID,
      bootstrapBrokers: options.brokers,
      retries: 0,
    });
  }

  /** Asks any broker for the cluster's brokers. @throws when none answers */
  async ping(): Promise<void> {
    await this.#metadata([], true);
  }

  /**
   * What the cluster says of a topic; undefined while there is none of that name.
   * `fresh`: ask again, even if it was asked lately.
   */
  async topic(name: string, { fresh = false } = {}): Promise<ClusterTopicMetadata | undefined> {
    try {
      const { topics } = await this.#metadata([name], fresh);
      return topics.get(name);
    } catch (error) {
      if ((error as Error).message === `Unknown topic ${name}.`) return undefined;
      throw error;
    }
  }

  /** The broker of that number, if the last answer about any topic named it. */
  broker(id: number): Broker | undefined {
    return this.#base.currentMetadata?.brokers.get(id);
  }

  /** The broker that looks after a group. */
  async coordinator(group: string): Promise<Broker> {
    if (this.#coordinator) return this.#coordinator;
    const [broker] = this.#base.currentMetadata?.brokers.values() ?? [];
    if (!broker) throw new Error('no broker is known');
    type Response = findCoordinatorV6.FindCoordinatorResponse;
    const { coordinators } = await this.request<Response>('FindCoordinator', broker, 'offsets', GROUP_KEY, [
      group,
    ]);
    const [found] = coordinators;
    if (!found) throw new Error(`no coordinator was named for the group ${group}`);
    this.#coordinator = { host: found.host, port: found.port };
    return this.#coordinator;
  }

  /** Asks for the coordinator anew at the next use: another broker may have become it. */
  forgetCoordinator(): void {
    this.#coordinator = undefined;
  }

  /** Sends a request in the highest version that both sides know. @throws with the broker's error, see `kafkaError` */
  async request<Response>(
    name: string,
    broker: Broker,
    purpose: Purpose,
    ...args: unknown[]
  ): Promise<Response> {
    const { response } = await this.requestVersioned<Response>(name, broker, purpose, () => args);
    return response;
  }

  /** The same where the arguments depend on the version. */
  async requestVersioned<Response>(
    name: string,
    broker: Broker,
    purpose: Purpose,
    argsOf: (version: number) => unknown[],
  ): Promise<{ response: Response; version: number }> {
    const api = await this.#api<Response>(name);
    const connection: Connection = await this.#pool(purpose, broker).get(broker);
    return { response: await api.async(connection, ...argsOf(api.version)), version: api.version };
  }

  #metadata(topics: string[], fresh: boolean): Promise<ClusterMetadata> {
    // The client asks a broker it was told of when none it was configured with answers. By number it cannot be asked
    // with a name for TLS.
    const known = this.#base.currentMetadata?.brokers.values() ?? [];
    if (this.#connection.tls && [...known].some(({ host }) => isIP(host))) this.#base.clearMetadata();
    return this.#base.metadata({ topics, forceUpdate: fresh });
  }

  #pool(purpose: Purpose, { host }: Broker): ConnectionPool {
    const key = `${purpose} ${isIP(host)}`;
    let pool = this.#pools.get(key);
    if (!pool) {
      const requestTimeout = purpose === 'group' ? this.#groupTimeout : REQUEST_TIMEOUT_MS;
      const options = { ...this.#connection, ...this.#serverNameFor([host]), requestTimeout };
      pool = new ConnectionPool(CLIENT_ID, options);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** TLS names the server it wants, where that is a name: one with several certificates shows the right one then. */
  #serverNameFor(hosts: readonly string[]): { tlsServerName?: string | true } {
    if (!this.#connection.tls) return {};
    if (this.#serverName) return { tlsServerName: this.#serverName };
    return hosts.some((host) => isIP(host)) ? {} : { tlsServerName: true };
  }

  #api<Response>(name: string): Promise<API<unknown[], Response>> {
    return new Promise((resolve, reject) => {
      this.#base[kGetApi]<unknown[], Response>(name, (error, api) => {
        if (error || !api) reject(error ?? new Error(`the brokers do not know ${name}`));
        else resolve(api);
      });
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#base.close(), ...[...this.#pools.values()].map((pool) => pool.close())]);
  }
}

/** The names of a broker's errors in a failure, such as `REBALANCE_IN_PROGRESS`. */
export function hasKafkaError(error: unknown, ...names: readonly string[]): boolean {
  return names.some((name) => findErrorBy(error as Error, 'apiId', name) !== null);
}

/** A failure in one line: the broker's own words, or what the connection said. */
export function describeKafkaError(error: unknown): string {
  const { message, errors, cause } = error as Error & { errors?: Error[] };
  const inner = errors?.length ? errors : cause instanceof Error ? [cause] : [];
  const words = [message, ...inner.map(describeKafkaError)].filter((word) => word !== '');
  return [...new Set(words)].join(': ') || (error as NodeJS.ErrnoException).code || 'unknown error';
}

function isSupported(mechanism: string): mechanism is keyof typeof MECHANISMS {
  return mechanism in MECHANISMS;
}
