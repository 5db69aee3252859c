import type { Logger } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import type { ConsumerCounters } from '../consumer.ts';
import { lostWords, readSlot, type SlotState } from './slot.ts';

export interface SlotWatchOptions {
  readonly name: string;
  readonly slot: string;
  readonly db: Database;
  /** Whether this server's consumer may read the slot; if not, somebody should, or drop it. */
  readonly enabled: boolean;
  /** Bytes. */
  readonly lagWarningSize: number;
  /** Milliseconds between looks. */
  readonly interval: number;
  readonly counters: ConsumerCounters;
  readonly logger: Logger;
}

type Finding = 'fine' | 'unread' | 'behind' | 'unreserved' | 'lost';

/**
 * Watches how much of PostgreSQL's log a slot keeps on the server's disk, from every server of a cluster, whoever reads.
 *
 * A slot is *fine*; *unread* when its consumer is disabled and nobody reads it; *behind* when it keeps more than is
 * allowed; *unreserved* when the server is about to throw away what it needs; *lost* when it has. The log has a line each
 * time this changes.
 */
export class SlotWatch {
  readonly #options: SlotWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #finding: Finding = 'fine';
  #look: Promise<void>;

  constructor(options: SlotWatchOptions) {
    this.#options = options;
    this.#look = this.#lookNow();
    this.#timer = setInterval(() => {
      this.#look = this.#lookNow();
    }, options.interval);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#look;
  }

  async #lookNow(): Promise<void> {
    const { db, slot, counters, enabled } = this.#options;
    let state: SlotState | undefined;
    try {
      state = await readSlot(db, slot);
    } catch {
      // Whoever reads the slot says that the database is away, or that the slot is of no use.
      return;
    }
    counters.retained(state?.retained ?? 0);
    if (enabled) counters.lag('bytes', '', Math.max(0, state?.lag ?? 0));
    const finding = this.#judge(state);
    if (finding === this.#finding) return;
    this.#finding = finding;
    this.#say(finding, state);
  }

  #judge(state: SlotState | undefined): Finding {
    if (!state) return 'fine';
    if (state.walStatus === 'lost' || state.walStatus === 'unreserved') return state.walStatus;
    if (state.retained > this.#options.lagWarningSize) return 'behind';
    return !this.#options.enabled && !state.active ? 'unread' : 'fine';
  }

  #say(finding: Finding, state: SlotState | undefined): void {
    const { name, slot, enabled, logger, lagWarningSize } = this.#options;
    const fields = { consumer: name, slot, retained: state?.retained, lag: state?.lag };
    const drop = `enable the consumer, or run SELECT pg_drop_replication_slot('${slot}')`;
    switch (finding) {
      case 'fine':
        logger.info(fields, 'consumer: the slot keeps no more of the log than it may');
        break;
      case 'unread':
        logger.warn(
          fields,
          `consumer: it is disabled, but its slot is there and keeps PostgreSQL's log from being removed: ${drop}`,
        );
        break;
      case 'behind':
        logger.warn(
          { ...fields, lag_warning_size: lagWarningSize },
          `consumer: its slot keeps more of PostgreSQL's log than lag_warning_size${enabled ? '' : `, and the consumer is disabled: ${drop}`}`,
        );
        break;
      case 'unreserved':
        logger.error(
          fields,
          'consumer: PostgreSQL is about to throw away log that the slot needs (max_slot_wal_keep_size)',
        );
        break;
      case 'lost':
        logger.error(
          fields,
          `consumer: PostgreSQL has thrown away log that the slot needs. ${lostWords(slot)}`,
        );
    }
  }
}
