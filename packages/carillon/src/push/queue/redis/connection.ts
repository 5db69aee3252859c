import type { Logger } from '../../../logger.ts';
import { RedisLink, type Reply } from '../../../storage/redis/link.ts';
import type { Script } from '../../../storage/redis/script.ts';

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
 * Connects, or rejects at once when Redis does not answer. Later losses heal by themselves, see `RedisLink`.
 *
 * @param address `host:port`, or a URL
 */
export async function connectRedis(
  address: string,
  root: string,
  logger: Pick<Logger, 'info' | 'error'>,
): Promise<RedisConnection> {
  const commands = await RedisLink.open({ address, logger, purpose: 'push queue: commands' });
  const subscriber = await RedisLink.open({ address, logger, purpose: 'push queue: subscriptions' }).catch(
    async (error: unknown) => {
      await commands.close();
      throw error;
    },
  );
  return {
    command: (args) => commands.command(args),
    run: (script, args) => commands.run(script, [root], args),
    async subscribe(channel, listener) {
      await subscriber.subscribe([channel], listener);
      const stop = subscriber.onBack(() => listener(undefined));
      return async () => {
        stop();
        await subscriber.unsubscribe([channel]);
      };
    },
    async close() {
      await subscriber.close();
      await commands.close();
    },
  };
}
