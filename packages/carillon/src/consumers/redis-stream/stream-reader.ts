import type { RedisStreamConsumerOptions } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { RedisLink } from '../../storage/redis/link.ts';
import { backoff } from '../backoff.ts';
import type { CommandRunner } from '../command-runner.ts';
import type { ConsumerCounters } from '../consumer.ts';
import type { ParkingLot } from '../parking.ts';
import { PartitionWorker } from '../partition-worker.ts';
import { StateLog } from '../state-log.ts';
import { Wakeup } from '../wakeup.ts';
import { commandOfEntry, entriesOf, type StreamEntry, toEntries } from './entries.ts';
import { StreamLease } from './stream-lease.ts';

export interface StreamReaderOptions {
  readonly name: string;
  readonly stream: string;
  readonly options: RedisStreamConsumerOptions;
  readonly commands: RedisLink;
  /** Of this reader alone: it waits on it. */
  readonly reads: RedisLink;
  readonly runner: CommandRunner;
  readonly parking: ParkingLot;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

/** All servers read under one name, one after another: what one leaves unacknowledged is the next one's own. */
const READER = 'carillon';
const PAGE = 100;
const BLOCK_MS = 500;
const STANDBY_MS = 1_000;
const ACK_MS = 5;
const COUNT_MS = 10_000;

/**
 * Reads one stream for a group.
 *
 * *Standing by*: another server has the lease; it is asked for again each second. *Taking over*: the lease is this
 * reader's; entries that the last holder read and did not settle come first, in order. *Reading*: new entries are carried
 * out, and acknowledged once they are settled; what a reader under another name has left for longer than the visibility
 * timeout is claimed. A lease that could not be renewed in time ends the reading: no command is begun after that.
 * *Waiting*: Redis is away; it is tried again after a growing delay. Closed is final, and gives the lease back.
 */
export class StreamReader {
  readonly #deps: StreamReaderOptions;
  readonly #lease: StreamLease;
  readonly #abort = new AbortController();
  readonly #pause = new Wakeup();
  /** Entries that are being carried out or wait for it. */
  readonly #inFlight = new Set<string>();
  /** Entries that are settled, and that Redis does not know to be yet. */
  readonly #settled = new Set<string>();
  #acking: Promise<void> = Promise.resolve();
  #ackTimer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  readonly #log: StateLog;

  constructor(deps: StreamReaderOptions) {
    this.#log = new StateLog(deps.name, deps.logger);
    this.#deps = deps;
    const { commands, stream, options } = deps;
    const key = `carillon:consumer:${options.consumer_group}:${stream}`;
    this.#lease = new StreamLease(commands, key, options.visibility_timeout);
  }

  /** @throws when the stream's group cannot be made */
  async start(): Promise<void> {
    await this.#ensureGroup();
    this.#work = this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#work;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { stream, options, counters } = this.#deps;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (await this.#lease.take()) {
          failures = 0;
          await this.#hold();
          continue;
        }
        this.#log.say('info', { stream }, 'consumer: another server reads the stream, this one stands by');
        await this.#pause.wait(Math.min(STANDBY_MS, options.visibility_timeout / 3), { signal });
      } catch (error) {
        failures += 1;
        counters.failed();
        this.#log.say(
          'error',
          { stream, reason: (error as Error).message },
          'consumer: cannot read the stream, will try again',
        );
        await this.#pause.wait(backoff(failures + 3), { signal, ignoreWakes: true });
      }
    }
  }

  async #hold(): Promise<void> {
    const { stream, options } = this.#deps;
    const workers = Array.from({ length: options.num_workers }, () => this.#createWorker());
    const renewal = setInterval(
      () => void this.#lease.take().catch(() => {}),
      Math.ceil(options.visibility_timeout / 3),
    );
    const count = setInterval(() => void this.#count(), COUNT_MS);
    this.#log.say('info', { stream }, 'consumer: reads the stream');
    try {
      await this.#read(workers);
    } finally {
      clearInterval(renewal);
      clearInterval(count);
      await Promise.all(workers.map((worker) => worker.stop()));
      this.#inFlight.clear();
      clearTimeout(this.#ackTimer);
      this.#ackTimer = undefined;
      this.#ackSoon(0);
      await this.#acking;
      if (this.#lease.isHeld) await this.#lease.giveBack();
    }
  }

  async #read(workers: readonly PartitionWorker<StreamEntry>[]): Promise<void> {
    const { options } = this.#deps;
    await this.#ensureGroup();
    let turn = 0;
    const add = (entries: readonly StreamEntry[]) => {
      for (const entry of entries) {
        if (this.#inFlight.has(entry.id) || this.#settled.has(entry.id)) continue;
        this.#inFlight.add(entry.id);
        workers[turn++ % workers.length]?.add([entry]);
      }
    };
    let from: string | undefined = '0';
    let claimAt = 0;
    while (!this.#abort.signal.aborted && this.#lease.isHeld) {
      if (this.#inFlight.size > options.max_queue_size - PAGE && this.#inFlight.size > 0) {
        await this.#pause.wait(BLOCK_MS, { signal: this.#abort.signal });
      } else if (from !== undefined) {
        const left = await this.#readGroup(from);
        add(left);
        from = left.at(-1)?.id;
      } else if (performance.now() >= claimAt) {
        claimAt = performance.now() + options.visibility_timeout / 2;
        add(await this.#claim());
      } else {
        add(await this.#readGroup('>'));
      }
    }
  }

  async #readGroup(from: string): Promise<StreamEntry[]> {
    const { stream, options, reads } = this.#deps;
    const block = from === '>' ? ['BLOCK', String(BLOCK_MS)] : [];
    const reply = await reads.command([
      'XREADGROUP',
      ...['GROUP', options.consumer_group, READER, 'COUNT', String(PAGE), ...block, 'STREAMS', stream, from],
    ]);
    return entriesOf(reply, stream);
  }

  /** Entries that others of the group took and left: a reader of another kind, or under another name. */
  async #claim(): Promise<StreamEntry[]> {
    const { stream, options, commands } = this.#deps;
    const claimed: StreamEntry[] = [];
    let cursor = '0-0';
    do {
      const reply = (await commands.command([
        ...['XAUTOCLAIM', stream, options.consumer_group, READER, String(options.visibility_timeout)],
        ...[cursor, 'COUNT', String(PAGE)],
      ])) as [string, unknown];
      claimed.push(...toEntries(reply[1]));
      cursor = reply[0];
    } while (cursor !== '0-0' && claimed.length < options.max_queue_size);
    return claimed;
  }

  async #ensureGroup(): Promise<void> {
    const { stream, options, commands } = this.#deps;
    try {
      await commands.command(['XGROUP', 'CREATE', stream, options.consumer_group, '0', 'MKSTREAM']);
    } catch (error) {
      if (!(error as Error).message.startsWith('BUSYGROUP')) throw error;
    }
  }

  #createWorker(): PartitionWorker<StreamEntry> {
    const { name, stream, options, runner, parking, counters, logger } = this.#deps;
    return new PartitionWorker({
      name,
      parking,
      counters,
      logger,
      runner: {
        run: async (command, attempt) => {
          if (this.#lease.isHeld) return runner.run(command, attempt);
          return { kind: 'retry', delay: BLOCK_MS, error: new Error('the lease is not held any more') };
        },
      },
      commandOf: (entry) => {
        const command = commandOfEntry(entry, stream, options);
        if (!('skipped' in command)) return command;
        if (command.skipped)
          logger.info(
            { consumer: name, stream, id: entry.id, reason: command.skipped },
            'consumer: entry skipped',
          );
        return undefined;
      },
      onSettled: ({ id }) => {
        this.#inFlight.delete(id);
        this.#settled.add(id);
        this.#ackSoon(ACK_MS);
        this.#pause.wake();
      },
    });
  }

  #ackSoon(delay: number): void {
    if (this.#ackTimer) return;
    const ack = () => {
      this.#ackTimer = undefined;
      this.#acking = this.#acking.then(() => this.#ack());
    };
    if (delay === 0) ack();
    else this.#ackTimer = setTimeout(ack, delay);
  }

  /** What cannot be acknowledged now is when the reader has its lease again: it comes once more, and is not run. */
  async #ack(): Promise<void> {
    const { stream, options, commands } = this.#deps;
    const ids = [...this.#settled];
    if (ids.length === 0) return;
    try {
      await commands.command(['XACK', stream, options.consumer_group, ...ids]);
      if (options.delete_settled) await commands.command(['XDEL', stream, ...ids]);
      for (const id of ids) this.#settled.delete(id);
    } catch {
      if (this.#lease.isHeld) this.#ackSoon(STANDBY_MS);
    }
  }

  async #count(): Promise<void> {
    const { stream, options, commands, counters } = this.#deps;
    try {
      const groups = (await commands.command(['XINFO', 'GROUPS', stream])) as unknown[];
      for (const group of groups) {
        const fields = Array.isArray(group)
          ? Object.fromEntries(
              group.flatMap((_, index) => (index % 2 ? [] : [[group[index], group[index + 1]]])),
            )
          : (group as Record<string, unknown>);
        if (fields.name === options.consumer_group)
          counters.lag('messages', stream, Number(fields.lag ?? 0) + Number(fields.pending ?? 0));
      }
    } catch {
      // That Redis is away is said by the link.
    }
  }
}
