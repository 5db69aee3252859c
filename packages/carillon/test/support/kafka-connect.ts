import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../../../scripts/setup/free-ports.ts';
import { kafkaJars } from '../../../../scripts/setup/kafka-jars.ts';
import { endChild, JVM, propertiesOf, untilSays } from './kafka.ts';

/** Kafka Connect with Debezium for PostgreSQL, one worker of a cluster; its state is in the broker. */
export interface TestConnect {
  /** Its REST API. */
  readonly url: string;
  /** Creates or changes a connector; resolves when its task runs. */
  put(name: string, config: Readonly<Record<string, string>>): Promise<void>;
  /** Ends it without a word, as a power cut would. */
  kill(): Promise<void>;
  /** Resolves when the connectors it had run again. */
  start(): Promise<void>;
  /** Resolves when it has noticed that the broker is away, and has told its tasks to stop. */
  untilItMissesTheBroker(): Promise<void>;
  drop(): Promise<void>;
  /** The state of all connectors, for a person: a task that failed says why. */
  describe(): Promise<string>;
}

interface Status {
  readonly connector: { readonly state: string };
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[];
}

/**
 * @param env variables as Debezium's image takes them: `CONNECT_` before a setting of the worker, such as
 * `CONNECT_CONFIG_PROVIDERS`; connectors may name the others
 */
export async function startConnect(
  broker: string,
  env: Readonly<Record<string, string>>,
): Promise<TestConnect> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-test-connect-'));
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const properties = join(folder, 'worker.properties');
  await writeFile(
    properties,
    propertiesOf({
      'bootstrap.servers': broker,
      'group.id': 'connect',
      listeners: url,
      'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'config.storage.topic': 'connect-configs',
      'offset.storage.topic': 'connect-offsets',
      'status.storage.topic': 'connect-status',
      'config.storage.replication.factor': '1',
      'offset.storage.replication.factor': '1',
      'status.storage.replication.factor': '1',
      'offset.storage.partitions': '1',
      'status.storage.partitions': '1',
      'offset.flush.interval.ms': '1000',
      // After a kill the next worker waits for the former one to be forgotten, and gives its work away at once.
      'session.timeout.ms': '1500',
      'heartbeat.interval.ms': '300',
      'scheduled.rebalance.max.delay.ms': '0',
      'plugin.discovery': 'service_load',
      ...workerSettings(env),
    }),
  );
  let child: ChildProcess;
  const connectors = new Set<string>();
  const statusOf = async (name: string): Promise<Status | undefined> => {
    const response = await fetch(`${url}/connectors/${name}/status`).catch(() => undefined);
    return response?.ok ? ((await response.json()) as Status) : undefined;
  };
  const untilRuns = async (name: string) => {
    for (;;) {
      if (child.exitCode !== null) throw new Error('Kafka Connect has ended');
      const status = await statusOf(name);
      const failed = status?.tasks.find(({ state }) => state === 'FAILED');
      if (failed) throw new Error(`the connector ${name} failed: ${failed.trace}`);
      if (status?.connector.state === 'RUNNING' && status.tasks[0]?.state === 'RUNNING') return;
      await sleep(50);
    }
  };
  const start = async () => {
    child = spawn(
      'java',
      [
        ...JVM,
        '-Xmx512m',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.Connect=info',
        '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.distributed.WorkerCoordinator=info',
        '-cp',
        join(kafkaJars(), '*'),
        'org.apache.kafka.connect.cli.ConnectDistributed',
        properties,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } },
    );
    await untilSays(child, 'Kafka Connect started');
    for (const name of connectors) await untilRuns(name);
  };
  await start();
  return {
    url,
    start,
    kill: () => endChild(child),
    untilItMissesTheBroker: () => untilSays(child, 'Revoking previous assignment'),
    async put(name, config) {
      const response = await fetch(`${url}/connectors/${name}/config`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(config),
      });
      if (!response.ok) throw new Error(`Kafka Connect: ${response.status} ${await response.text()}`);
      connectors.add(name);
      await untilRuns(name);
    },
    async describe() {
      const each = await Promise.all([...connectors].map(async (name) => [name, await statusOf(name)]));
      return JSON.stringify(Object.fromEntries(each));
    },
    async drop() {
      await endChild(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function workerSettings(env: Readonly<Record<string, string>>): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const [, setting] = /^CONNECT_(.+)$/.exec(name) ?? [];
    if (setting) settings[setting.toLowerCase().replaceAll('_', '.')] = value;
  }
  return settings;
}
