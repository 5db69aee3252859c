import { randomUUID } from 'node:crypto';
import type { KafkaConsumerOptions } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/load.ts';
import { KafkaConsumer } from '../../src/consumers/kafka/kafka-consumer.ts';
import { NO_PARKING_LOT, type ParkingLot } from '../../src/consumers/parking.ts';
import type { TestKafka } from '../support/kafka.ts';
import type { Recorder } from './recorder.ts';

/** A name that no other test has. */
export function fresh(kind: string): string {
  return `${kind}-${randomUUID()}`;
}

/** All options with their defaults, a short session, and `options` laid over them. */
export function kafkaOptions(options: object): KafkaConsumerOptions {
  const { config } = resolveConfig({
    consumers: [
      {
        name: 'test',
        enabled: true,
        type: 'kafka',
        kafka: {
          ...{ brokers: ['127.0.0.1:9092'], topics: ['commands'], consumer_group: 'group' },
          ...{ session_timeout: '2s', fetch_max_wait: '100ms' },
          ...options,
        },
      },
    ],
  });
  return (config.consumers[0] as { kafka: KafkaConsumerOptions }).kafka;
}

export interface OpenOptions {
  readonly kafka: TestKafka;
  readonly topic: string;
  readonly group: string;
  readonly recorder: Recorder;
  readonly options?: object;
  readonly parking?: ParkingLot;
  readonly maxAttempts?: number;
}

/** A consumer named `test`; not started. */
export function openKafkaConsumer({
  kafka,
  topic,
  group,
  recorder,
  options = {},
  parking = NO_PARKING_LOT,
  maxAttempts = 0,
}: OpenOptions): KafkaConsumer {
  return new KafkaConsumer({
    name: 'test',
    options: kafkaOptions({ brokers: [kafka.broker], topics: [topic], consumer_group: group, ...options }),
    runner: recorder.runner({ maxAttempts }),
    parking,
    counters: recorder.counters,
    logger: recorder.logger,
  });
}
