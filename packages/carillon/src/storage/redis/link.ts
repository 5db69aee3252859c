import { createClient } from '@redis/client';
import { UnavailableError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Script } from './script.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const IO_TIMEOUT_MS = 4_000;
const MAX_RECONNECT_MS = 1_000;
const RESTORE_RETRY_MS = 50;
const WATCHES_PER_TIMEOUT = 4;
/** Channels of one SUBSCRIBE: Redis answers each of them before it does anything else. */
const SUBSCRIBE_BATCH = 1_024;

/** What a reply can be. */
export type Reply = string | number | null | Reply[];

export interface RedisLinkOptions {
  /** `host:port`, or a URL. */
  readonly address: string;
  /** What it is for, in logs. */
  readonly purpose: string;
  readonly logger: Pick<Logger, 'info' | 'error'>;
  readonly user?: string;
  readonly password?: string;
  readonly db?: number;
  readonly connectTimeoutMs?: number;
  /** A link without an answer for so long is cut and made anew. */
  readonly ioTimeoutMs?: number;
  /** Sent ahead at each connection, so that their calls need no text. */
  readonly scripts?: readonly Script[];
}

type Client = ReturnType<typeof createClient>;

/**
 * One connection to Redis, for commands or for subscriptions, that heals by itself.
 *
 * *Ready*: commands run. *Lost*: every command fails at once, so that nobody is told that something was done which was
 * not; it is tried again until it is back, with all subscriptions, and whoever asked is told. A peer that is silent for
 * too long counts as lost. *Closed* is final.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #ioTimeoutMs: number;
  readonly #listeners = new Map<string, (message: string) => void>();
  /** Channels that Redis may still think we want. */
  readonly #unwanted = new Set<string>();
  readonly #onBack = new Set<() => void>();
  readonly #watch: NodeJS.Timeout;
  #client: Client;
  #askedAt: number | undefined;
  #lost = false;
  #closed = false;

  private constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#ioTimeoutMs = options.ioTimeoutMs ?? IO_TIMEOUT_MS;
    this.#client = this.#create();
    this.#watch = setInterval(() => this.#look(), this.#ioTimeoutMs / WATCHES_PER_TIMEOUT);
    this.#watch.unref();
  }

  /** Connects. @throws UnavailableError when Redis does not answer */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    try {
      await link.#client.connect();
      await link.#loadScripts();
    } catch (error) {
      await link.close();
      throw new UnavailableError('Redis', error);
    }
    return link;
  }

  get isReady(): boolean {
    return this.#client.isReady;
  }

  /** Runs a plain command. @throws UnavailableError when it is not known to be done */
  async command(args: readonly string[]): Promise<Reply> {
    try {
      return (await this.#client.sendCommand([...args])) as unknown as Reply;
    } catch (error) {
      throw isUnavailable(error as Error) ? new UnavailableError('Redis', error) : error;
    }
  }

  /** Runs a script. @throws UnavailableError when it is not known to be done */
  async run({ text, sha }: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.command(['EVALSHA', sha, ...rest]);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return this.command(['EVAL', text, ...rest]);
    }
  }

  /**
   * Calls back with each message of the channels, one listener for each channel. When it resolves, whatever is published
   * from then on comes. A lost link takes its subscriptions up again by itself.
   * @throws UnavailableError, and is subscribed all the same once the link is back, until `unsubscribe`
   */
  async subscribe(
    channels: readonly string[],
    listener: (message: string, channel: string) => void,
  ): Promise<void> {
    for (const channel of channels) {
      this.#listeners.set(channel, (message) => listener(message, channel));
      this.#unwanted.delete(channel);
    }
    try {
      await this.#subscribe(channels);
    } catch (error) {
      throw isUnavailable(error as Error) ? new UnavailableError('Redis', error) : error;
    }
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      this.#listeners.delete(channel);
      this.#unwanted.add(channel);
    }
    await this.#unsubscribe(channels).catch(() => {});
  }

  /** Calls back whenever a lost link is back: messages may not have come. @returns how to stop it */
  onBack(listener: () => void): () => void {
    this.#onBack.add(listener);
    return () => this.#onBack.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    if (!this.#client.isReady) {
      this.#client.destroy();
      return;
    }
    const limit = setTimeout(() => this.#client.destroy(), this.#ioTimeoutMs);
    await this.#client.close().catch(() => {});
    clearTimeout(limit);
  }

  #create(): Client {
    const { address, purpose, logger, user, password, db, connectTimeoutMs } = this.#options;
    let wasReady = this.#lost;
    const client = createClient({
      url: address.includes('://') ? address : `redis://${address}`,
      ...(user && { username: user }),
      ...(password && { password }),
      ...(db && { database: db }),
      disableOfflineQueue: true,
      socket: {
        connectTimeout: connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        reconnectStrategy: (retries, cause) =>
          wasReady ? Math.min(50 * 2 ** retries, MAX_RECONNECT_MS) : cause,
      },
    });
    client.on('error', (error: Error) => {
      if (!wasReady || this.#lost || client !== this.#client) return;
      this.#lost = true;
      logger.error({ err: error, purpose }, 'Redis connection lost; it is tried again until it is back');
    });
    client.on('ready', () => {
      wasReady = true;
      if (this.#lost && client === this.#client) void this.#restore();
    });
    return client as unknown as Client;
  }

  /** Takes up scripts and subscriptions; what the client has taken up by itself is not asked for again. */
  async #restore(): Promise<void> {
    const { purpose, logger } = this.#options;
    const client = this.#client;
    while (client === this.#client && client.isReady) {
      try {
        await this.#loadScripts();
        await this.#subscribe([...this.#listeners.keys()]);
        await this.#unsubscribe([...this.#unwanted]);
        break;
      } catch {
        // Lost again, or it is still loading.
        await new Promise((resolve) => setTimeout(resolve, RESTORE_RETRY_MS).unref());
      }
    }
    // The next connection begins anew.
    if (client !== this.#client || !client.isReady) return;
    this.#lost = false;
    logger.info({ purpose }, 'Redis connection is back');
    for (const listener of this.#onBack) listener();
  }

  /** What cannot be read costs itself, not the connection: a throw would end it, and with it all subscriptions. */
  readonly #dispatch = (message: string, channel: string) => {
    try {
      this.#listeners.get(channel)?.(message);
    } catch (error) {
      // A parser's words quote what it has read.
      const about = error instanceof SyntaxError ? { reason: 'it is not ours' } : { err: error };
      const { purpose, logger } = this.#options;
      logger.error({ purpose, channel, ...about }, 'a message of Redis could not be taken, and is left out');
    }
  };

  async #subscribe(channels: readonly string[]): Promise<void> {
    const batches: Promise<unknown>[] = [];
    for (let start = 0; start < channels.length; start += SUBSCRIBE_BATCH) {
      batches.push(this.#client.subscribe(channels.slice(start, start + SUBSCRIBE_BATCH), this.#dispatch));
    }
    await Promise.all(batches);
  }

  async #unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    await this.#client.unsubscribe([...channels], this.#dispatch);
    for (const channel of channels) this.#unwanted.delete(channel);
  }

  async #loadScripts(): Promise<void> {
    const { scripts = [] } = this.#options;
    await Promise.all(scripts.map(({ text }) => this.#client.sendCommand(['SCRIPT', 'LOAD', text])));
  }

  /** Asks for a sign of life; a link that has owed one for too long is replaced. */
  #look(): void {
    const client = this.#client;
    if (!client.isReady) {
      this.#askedAt = undefined;
      return;
    }
    const now = performance.now();
    if (this.#askedAt === undefined) {
      this.#askedAt = now;
      client.sendCommand(['PING']).then(
        () => {
          this.#askedAt = undefined;
        },
        () => {},
      );
    } else if (now - this.#askedAt >= this.#ioTimeoutMs) this.#replace();
  }

  #replace(): void {
    const { purpose, logger } = this.#options;
    const silent = this.#client;
    this.#askedAt = undefined;
    if (this.#closed) return;
    if (!this.#lost) {
      logger.error(
        { purpose },
        `Redis gave no answer for ${this.#ioTimeoutMs} ms; the connection is made anew`,
      );
    }
    this.#lost = true;
    this.#client = this.#create();
    silent.destroy();
    // Its strategy never gives up.
    this.#client.connect().catch(() => {});
  }
}

/** Replies that say: not now. */
const NOT_NOW = /^(LOADING|READONLY|OOM|MISCONF|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|BUSY|TRYAGAIN)\b/;
const LOST = /Socket|Client|Connection|Abort|Timeout|Reconnect/;

function isUnavailable(error: Error & { code?: string }): boolean {
  if (NOT_NOW.test(error.message)) return true;
  return LOST.test(error.constructor.name) || /^E[A-Z]+$/.test(error.code ?? '');
}
