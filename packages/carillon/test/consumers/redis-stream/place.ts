import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createClient } from '@redis/client';
import type { RedisStreamConsumerOptions } from '../../../src/config/config.ts';
import { DatabaseParkingLot } from '../../../src/consumers/parking.ts';
import { RedisStreamConsumer } from '../../../src/consumers/redis-stream/redis-stream-consumer.ts';
import type { Database } from '../../../src/storage/database.ts';
import type { TestRedis } from '../../support/redis.ts';
import { type ConsumerPlace, numbered, type Parked, type TestCommand } from '../conformance.ts';
import { type Numbered, type Recorder, upTo } from '../recorder.ts';

const BATCH = 5_000;

/** What was carried out, by whomever, in this order, in the list `seen`. */
export async function noteSeen(
  client: { sendCommand(args: string[]): Promise<unknown> },
  { n, partition = 0 }: Numbered,
): Promise<void> {
  await client.sendCommand(['RPUSH', 'seen', JSON.stringify({ n, partition })]);
}

/** Four streams of a name of their own in `redis`, one for each partition. */
export class StreamPlace implements ConsumerPlace {
  readonly redis: TestRedis;
  readonly streams: readonly string[];
  readonly group: string;
  readonly #db: Database;

  constructor(redis: TestRedis, db: Database) {
    const name = `commands_${randomBytes(4).toString('hex')}`;
    this.redis = redis;
    this.#db = db;
    this.streams = upTo(4).map((partition) => `${name}:${partition}`);
    this.group = name;
  }

  options(options: Partial<RedisStreamConsumerOptions> = {}): RedisStreamConsumerOptions {
    return {
      address: this.redis.address,
      user: '',
      password: '',
      db: 0,
      connect_timeout: 1_000,
      io_timeout: 4_000,
      streams: [...this.streams],
      consumer_group: this.group,
      visibility_timeout: 1_000,
      num_workers: 1,
      max_queue_size: 1_000,
      delete_settled: false,
      payload_value: 'payload',
      method_value: 'method',
      publication_data_mode: {
        enabled: false,
        channels_value: 'centrifugo-channels',
        idempotency_key_value: 'centrifugo-idempotency-key',
        delta_value: 'centrifugo-delta',
        version_value: 'centrifugo-version',
        version_epoch_value: 'centrifugo-version-epoch',
        tags_value_prefix: 'centrifugo-tag-',
      },
      ...options,
    };
  }

  async open(
    recorder: Recorder,
    { maxAttempts, ...options }: Partial<RedisStreamConsumerOptions> & { maxAttempts?: number } = {},
  ): Promise<RedisStreamConsumer> {
    const parking = new DatabaseParkingLot(this.#db, recorder.logger);
    await parking.open();
    return new RedisStreamConsumer({
      name: 'test',
      options: this.options(options),
      runner: recorder.runner(maxAttempts === undefined ? {} : { maxAttempts }),
      parking,
      counters: recorder.counters,
      logger: recorder.logger,
    });
  }

  async put(commands: readonly TestCommand[]): Promise<void> {
    await this.add(
      commands.map(({ method, payload, partition = 0 }) => ({
        partition,
        fields: ['payload', JSON.stringify(payload), ...(method ? ['method', method] : [])],
      })),
    );
  }

  putNumbered(count: number, from?: number): Promise<void> {
    return this.put(numbered(count, from));
  }

  async add(entries: readonly { partition?: number; fields: readonly string[] }[]): Promise<void> {
    const client = createClient({ url: `redis://${this.redis.address}` });
    await client.connect();
    for (let from = 0; from < entries.length; from += BATCH) {
      await Promise.all(
        entries
          .slice(from, from + BATCH)
          .map(({ partition = 0, fields }) =>
            client.sendCommand(['XADD', this.streams[partition] as string, '*', ...fields]),
          ),
      );
    }
    await client.close();
  }

  /** Entries that were read and not acknowledged, of all streams. */
  async pending(): Promise<number> {
    let pending = 0;
    for (const stream of this.streams) {
      const reply = await this.redis.command('XPENDING', stream, this.group);
      pending += Number((reply as [number])[0]);
    }
    return pending;
  }

  async length(): Promise<number> {
    let length = 0;
    for (const stream of this.streams) length += Number(await this.redis.command('XLEN', stream));
    return length;
  }

  async assertEmpty(): Promise<void> {
    assert.equal(await this.pending(), 0);
    for (const stream of this.streams) {
      const args = ['XREADGROUP', 'GROUP', this.group, 'looker', 'COUNT', '1', 'STREAMS', stream, '>'];
      assert.equal((await this.redis.command(...args)) ?? null, null, 'something was never read');
    }
  }

  parked(): Promise<Parked[]> {
    return this.#db.query<Parked & Record<string, unknown>>(
      'SELECT method, payload, reason FROM carillon_parked_commands ORDER BY id',
    );
  }

  async drop(): Promise<void> {
    await this.#db.exec('TRUNCATE carillon_parked_commands');
  }
}
