import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { kafkaJars } from '../../../../scripts/setup/kafka-jars.ts';
import { endChild, JVM } from './kafka.ts';

/** Kafka's own consumer, as a member of a group with cooperative rebalancing. */
export interface JavaMember {
  /** The values it has read, in order. */
  readonly lines: readonly string[];
  /** Resolves when it has read something more. */
  next(): Promise<void>;
  /** Has it leave the group as it should. */
  leave(): Promise<void>;
  kill(): Promise<void>;
}

export async function startJavaMember(broker: string, topic: string, group: string): Promise<JavaMember> {
  const properties = {
    'partition.assignment.strategy': 'org.apache.kafka.clients.consumer.CooperativeStickyAssignor',
    'auto.offset.reset': 'earliest',
    'heartbeat.interval.ms': '200',
    'session.timeout.ms': '6000',
  };
  const child = spawn(
    'java',
    [
      ...[...JVM, '-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp', join(kafkaJars(), '*')],
      ...['org.apache.kafka.tools.consumer.ConsoleConsumer', '--bootstrap-server', broker],
      ...['--topic', topic, '--group', group],
      ...Object.entries(properties).flatMap(([name, value]) => ['--consumer-property', `${name}=${value}`]),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const lines: string[] = [];
  let rest = '';
  let wake = () => {};
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  return {
    lines,
    next: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
    async leave() {
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
    kill: () => endChild(child),
  };
}
