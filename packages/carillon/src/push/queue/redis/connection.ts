import { createClient } from '@redis/client';
import { UnavailableError } from '../../../errors.ts';
import type { Logger } from '../../../logger.ts';
import type { Script } from './scripts.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RECONNECT_MS = 1_000;

/** What a reply can be. */
export type Reply = string | number | null | Reply[];

/** The two connections of a queue: one for commands, one that listens. */
export interface RedisConnection {
  /** Runs a script on the keys under `root`. @throws UnavailableError */
  run(script: Script, args: readonly string[]): Promise<Reply>;
  /** A plain command. @throws UnavailableError */
  command(args: readonly string[]): Promise<Reply>;
  /** Calls back with each message of the channel, and with `undefined` when a lost connection is back. */
  subscribe(channel: string, listener: (message: string | undefined) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/**
 * Connects, or rejects at once when Redis does not answer. Later losses heal by themselves; until then every command fails
 * at once, so that nobody is told that something was kept which was not.
 *
 * @param address `host:port`, or a URL
 */
export async function connectRedis(
  address: string,
  root: string,
  logger: Pick<Logger, 'info' | 'error'>,
): Promise<RedisConnection> {
  const url = address.includes('://') ? address : `redis://${address}`;
  const commands = await open('commands');
  const subscriber = await open('subscriptions').catch(async (error: unknown) => {
    commands.destroy();
    throw error;
  });

  async function open(purpose: string) {
    let wasReady = false;
    let lost = false;
    const client = createClient({
      url,
      disableOfflineQueue: true,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        reconnectStrategy: (retries, cause) =>
          wasReady ? Math.min(50 * 2 ** retries, MAX_RECONNECT_MS) : cause,
      },
    });
    client.on('error', (error: Error) => {
      if (!wasReady || lost) return;
      lost = true;
      logger.error({ err: error, purpose }, 'Redis connection lost; it is tried again until it is back');
    });
    client.on('ready', () => {
      if (lost) logger.info({ purpose }, 'Redis connection is back');
      lost = false;
      wasReady = true;
    });
    try {
      await client.connect();
    } catch (error) {
      throw new UnavailableError('Redis', error);
    }
    return client;
  }

  async function command(args: readonly string[]): Promise<Reply> {
    try {
      return (await commands.sendCommand([...args])) as unknown as Reply;
    } catch (error) {
      throw isUnavailable(error as Error) ? new UnavailableError('Redis', error) : error;
    }
  }

  return {
    command,
    async run({ text, sha }, args) {
      try {
        return await command(['EVALSHA', sha, '1', root, ...args]);
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
        return command(['EVAL', text, '1', root, ...args]);
      }
    },
    async subscribe(channel, listener) {
      const onReady = () => listener(undefined);
      const onMessage = (message: string) => listener(message);
      await subscriber.subscribe(channel, onMessage);
      subscriber.on('ready', onReady);
      return async () => {
        subscriber.off('ready', onReady);
        if (subscriber.isReady) await subscriber.unsubscribe(channel, onMessage).catch(() => {});
      };
    },
    async close() {
      for (const client of [subscriber, commands]) {
        if (client.isReady) await client.close();
        else client.destroy();
      }
    },
  };
}

/** Replies that say: not now. */
const NOT_NOW = /^(LOADING|READONLY|OOM|MISCONF|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|BUSY|TRYAGAIN)\b/;
const LOST = /Socket|Client|Connection|Abort|Timeout|Reconnect/;

function isUnavailable(error: Error & { code?: string }): boolean {
  if (NOT_NOW.test(error.message)) return true;
  return LOST.test(error.constructor.name) || /^E[A-Z]+$/.test(error.code ?? '');
}
