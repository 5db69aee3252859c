import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const CHILD = join(import.meta.dirname, 'kafka-child.ts');

export interface Done {
  readonly n: number;
  readonly partition: number;
  readonly idempotency_key?: string;
}

interface Message {
  readonly done?: Done;
  readonly level?: string;
  readonly message?: string;
}

/** Kafka consumers in processes of their own, and all that they carry out, in the order in which it was heard of. */
export class KafkaChildren {
  readonly done: Done[] = [];
  readonly logged: string[] = [];
  readonly #running = new Set<ChildProcess>();
  #waiting = new Set<() => void>();

  /** Starts one with these options; resolves when it has partitions. */
  async start(options: object): Promise<ChildProcess> {
    const env = { ...process.env, KAFKA_OPTIONS: JSON.stringify(options) };
    const child = fork(CHILD, { env });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    await new Promise<void>((resolve, reject) => {
      child.on('message', ({ done, message, ...rest }: Message) => {
        if (done) this.done.push(done);
        if (message) this.logged.push(`${message} ${JSON.stringify(rest)}`);
        if (message?.includes('partitions assigned')) resolve();
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      });
      child.once('exit', (code) => reject(new Error(`a consumer ended with ${code}`)));
    });
    return child;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.next();
  }

  /** Resolves when one has said something. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  async end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.end(child, 'SIGKILL')));
  }
}

/**
 * Nothing lost, and order kept: of the numbers below `total`, each in the partition that it has modulo `partitions`, every
 * one comes, and none before all smaller ones of its partition have come. A repeat is a step back, and allowed.
 */
export function assertNoGap(done: readonly Done[], total: number, partitions: number): void {
  for (let partition = 0; partition < partitions; partition++) {
    let next = partition;
    for (const { n } of done.filter((one) => one.partition === partition)) {
      assert.ok(n <= next, `partition ${partition}: ${n} came before ${next}`);
      if (n === next) next += partitions;
    }
    assert.ok(next >= total, `partition ${partition}: ${next} never came`);
  }
}
