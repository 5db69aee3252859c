import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin, Producer } from '@platformatic/kafka';
import { freePorts } from '../../../../scripts/setup/free-ports.ts';
import { kafkaJars } from '../../../../scripts/setup/kafka-jars.ts';
import { type Certificates, makeCertificates } from '../push/webpush/support.ts';

/** A record to be written; header values and values are texts, null is a tombstone. */
export interface TestRecord {
  readonly topic: string;
  readonly partition?: number;
  readonly key?: string;
  readonly value: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** A Kafka broker of a test's own, with its log on disk, so that it can be killed and started again. */
export interface TestKafka {
  /** `host:port`, without TLS or passwords. */
  readonly broker: string;
  /** The same broker behind user and password, as PLAIN and SCRAM: `KAFKA_USER`. */
  readonly saslBroker: string;
  /** The same broker behind TLS. */
  readonly tlsBroker: string;
  readonly certificates: Certificates;
  createTopic(name: string, partitions: number): Promise<void>;
  addPartitions(name: string, total: number): Promise<void>;
  /** Removes all of a partition below an offset, as retention does. */
  deleteRecords(topic: string, partition: number, below: number): Promise<void>;
  /** Writes in this order; resolves when the broker has them. */
  write(records: readonly TestRecord[], compression?: Compression): Promise<void>;
  /** Writes in a transaction of one and the same producer. */
  transaction(records: readonly TestRecord[], end: 'commit' | 'abort'): Promise<void>;
  /** Resolves when a group has so many members and has divided its partitions among them. */
  untilMembers(group: string, count: number): Promise<void>;
  /** What a group has committed in a topic, by partition; -1 where it has nothing. */
  committed(group: string, topic: string): Promise<Map<number, number>>;
  /** Where the topic ends, by partition. */
  ends(topic: string): Promise<Map<number, number>>;
  /** Ends it without a word, as a power cut would. */
  kill(): Promise<void>;
  start(): Promise<void>;
  drop(): Promise<void>;
}

/** Why tests on Kafka cannot run here, as `npm test --no-install` found; false when they can. */
export const withoutKafka: string | false =
  process.env.TEST_MISSING_SERVICES?.split(',').includes('kafka') === true && 'needs kafka';

export const KAFKA_USER = { name: 'reader', password: 'a password for tests' };

/** A short life: quick to start, small. */
export const JVM = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];

export async function startKafka(): Promise<TestKafka> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-test-kafka-'));
  const [port, controllerPort, saslPort, tlsPort] = await freePorts(4);
  const broker = `127.0.0.1:${port}`;
  const certificates = makeCertificates();
  const properties = join(folder, 'server.properties');
  const classPath = join(kafkaJars(), '*');
  await writeFile(
    properties,
    propertiesOf({
      'process.roles': 'broker,controller',
      'node.id': '1',
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `PLAINTEXT://${broker},CONTROLLER://127.0.0.1:${controllerPort},SASL_PLAINTEXT://127.0.0.1:${saslPort},SSL://127.0.0.1:${tlsPort}`,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map':
        'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL',
      'log.dirs': join(folder, 'data'),
      'offsets.topic.replication.factor': '1',
      'offsets.topic.num.partitions': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.num.partitions': '1',
      'transaction.state.log.min.isr': '1',
      'group.initial.rebalance.delay.ms': '0',
      'group.min.session.timeout.ms': '500',
      // After a kill it waits for its former self to be forgotten.
      'broker.session.timeout.ms': '500',
      'broker.heartbeat.interval.ms': '100',
      'auto.create.topics.enable': 'false',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${KAFKA_USER.name}="${KAFKA_USER.password}";`,
      ...Object.fromEntries(
        ['scram-sha-256', 'scram-sha-512'].map((mechanism) => [
          `listener.name.sasl_plaintext.${mechanism}.sasl.jaas.config`,
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        ]),
      ),
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.certificate.chain': certificates.cert,
      'ssl.keystore.key': certificates.key,
    }),
  );
  const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${KAFKA_USER.name},password="${KAFKA_USER.password}"]`,
  ]);
  const format = ['format', '-t', 'Y2FyaWxsb25fdGVzdHNfMQ', '-c', properties, ...scram];
  execFileSync('java', [...JVM, '-cp', classPath, 'kafka.tools.StorageTool', ...format], { stdio: 'pipe' });

  let child: ChildProcess;
  const start = async () => {
    const log = [
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
    ];
    child = spawn('java', [...JVM, '-Xmx512m', ...log, '-cp', classPath, 'kafka.Kafka', properties], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await untilSays(child, 'Kafka Server started');
  };
  const kill = () => endChild(child);
  await start();

  const connection = { clientId: 'tests', bootstrapBrokers: [broker], retries: 20, retryDelay: 100 };
  const producers = new Map<string, Producer<string, string | null, string, string>>();
  const open = (kind: 'plain' | 'transactional') => {
    const found = producers.get(kind);
    if (found) return found;
    const made = new Producer({
      ...connection,
      serializers: textSerializers,
      idempotent: true,
      ...(kind === 'transactional' && { transactionalId: 'tests' }),
    });
    producers.set(kind, made);
    return made;
  };
  const useAdmin = async <T>(use: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = new Admin(connection);
    try {
      return await use(admin);
    } finally {
      await admin.close();
    }
  };
  return {
    broker,
    saslBroker: `127.0.0.1:${saslPort}`,
    tlsBroker: `127.0.0.1:${tlsPort}`,
    certificates,
    start,
    kill,
    createTopic: (name, partitions) =>
      useAdmin(async (admin) => {
        await admin.createTopics({
          topics: [name],
          partitions,
          replicas: 1,
          configs: [{ name: 'max.message.bytes', value: '10485760' }],
        });
      }),
    addPartitions: (name, count) =>
      useAdmin((admin) => admin.createPartitions({ topics: [{ name, count, assignments: null }] })),
    async deleteRecords(topic, partition, below) {
      await useAdmin((admin) =>
        admin.deleteRecords({
          topics: [{ name: topic, partitions: [{ partition, offset: BigInt(below) }] }],
        }),
      );
    },
    async write(records, compression = 'none') {
      const producer = open('plain');
      for (let from = 0; from < records.length; from += 5_000)
        await producer.send({ messages: records.slice(from, from + 5_000), compression });
    },
    async transaction(records, end) {
      const transaction = await open('transactional').beginTransaction();
      await transaction.send({ messages: [...records] });
      await transaction[end]();
    },
    untilMembers: (group, count) =>
      useAdmin(async (admin) => {
        for (;;) {
          const found = (await admin.describeGroups({ groups: [group] })).get(group);
          if (found?.members.size === count && STABLE.test(found.state)) return;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }),
    committed: (group, topic) =>
      useAdmin(async (admin) => {
        const groups = await admin.listConsumerGroupOffsets({ groups: [group] });
        const partitions = groups[0]?.topics.find(({ name }) => name === topic)?.partitions ?? [];
        return new Map(
          partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, Number(committedOffset)]),
        );
      }),
    ends: (topic) =>
      useAdmin(async (admin) => {
        const { topics } = await admin.metadata({ topics: [topic] });
        const count = topics.get(topic)?.partitionsCount ?? 0;
        const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
          partitionIndex,
          timestamp: -1n,
        }));
        const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
        return new Map(
          found?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, Number(offset)]),
        );
      }),
    async drop() {
      await Promise.allSettled([...producers.values()].map((producer) => producer.close(true)));
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const STABLE = /^stable$/i;

const textSerializers = {
  key: (text?: string) => (text === undefined ? undefined : Buffer.from(text)),
  value: (text?: string | null) => (text === undefined || text === null ? undefined : Buffer.from(text)),
  headerKey: (text?: string) => Buffer.from(text ?? ''),
  headerValue: (text?: string) => Buffer.from(text ?? ''),
};

/** Resolves when the program has written `words` to its error output; rejects with what it wrote when it ends before. */
export async function untilSays(child: ChildProcess, words: string): Promise<void> {
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  child.once('exit', () => process.off('exit', endWithUs));
  await new Promise<void>((resolve, reject) => {
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk).slice(-8_000);
      if (log.includes(words)) resolve();
    });
    child.once('exit', () => reject(new Error(`the program ended:\n${log}`)));
    child.once('error', reject);
  });
}

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Java's format: a line break in a value is written as \n. */
export function propertiesOf(entries: Readonly<Record<string, string>>): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return Object.entries(entries)
    .map(([name, value]) => `${name}=${escaped(value)}\n`)
    .join('');
}
