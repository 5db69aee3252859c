import type { RedisStreamConsumerOptions } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import { RedisLink } from '../../storage/redis/link.ts';
import type { CommandRunner } from '../command-runner.ts';
import type { Consumer, ConsumerCounters } from '../consumer.ts';
import type { ParkingLot } from '../parking.ts';
import { LEASE_SCRIPTS } from './stream-lease.ts';
import { StreamReader } from './stream-reader.ts';

export interface RedisStreamDependencies {
  readonly name: string;
  readonly options: RedisStreamConsumerOptions;
  readonly runner: CommandRunner;
  readonly parking: ParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

/** Reads commands from Redis Streams as a consumer group, each stream by one server at a time. */
export class RedisStreamConsumer implements Consumer {
  readonly name: string;
  readonly #deps: RedisStreamDependencies;
  readonly #links: RedisLink[] = [];
  readonly #readers: StreamReader[] = [];

  constructor(deps: RedisStreamDependencies) {
    this.name = deps.name;
    this.#deps = deps;
  }

  /** @throws UnavailableError when Redis does not answer */
  async start(): Promise<void> {
    const { options } = this.#deps;
    const commands = await this.#open('commands');
    for (const stream of options.streams) {
      const reads = await this.#open(stream);
      const reader = new StreamReader({ ...this.#deps, stream, commands, reads });
      await reader.start();
      this.#readers.push(reader);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.splice(0).map((reader) => reader.close()));
    await Promise.all(this.#links.splice(0).map((link) => link.close()));
  }

  async #open(purpose: string): Promise<RedisLink> {
    const { options, logger } = this.#deps;
    const { address, user, password, db } = options;
    const link = await RedisLink.open({
      address,
      user,
      password,
      db,
      logger,
      purpose: `consumer ${this.name}: ${purpose}`,
      connectTimeoutMs: options.connect_timeout,
      ioTimeoutMs: options.io_timeout,
      scripts: LEASE_SCRIPTS,
    });
    this.#links.push(link);
    return link;
  }
}
