import { formatLsn, type Lsn, laterOf, parseLsn } from './lsn.ts';

/** A transaction of which rows are being carried out. */
export interface OpenTransaction {
  /** Where its commit stands; with a row's index it names the row for good. */
  readonly lsn: Lsn;
  /** The place behind its commit, once that was read. */
  endLsn: Lsn | undefined;
  /** Rows read so far, and those of them that are not settled. */
  rows: number;
  unsettled: number;
}

/** A row in the log: its transaction's commit, and its index among the transaction's rows of the table. */
interface RowPlace {
  readonly lsn: Lsn;
  readonly index: number;
}

/** What is settled, in a form that outlives the process: as JSON, places in PostgreSQL's notation. */
export interface SettledNote {
  readonly confirmed: string;
  /** Partition → its last settled row beyond `confirmed`: `[place of the commit, index]`. */
  readonly partitions: Readonly<Record<string, readonly [string, number]>>;
}

/**
 * Knows up to where everything has taken effect.
 *
 * The log holds transactions one after another, but their rows are carried out partition by partition, so later ones may
 * be settled before earlier ones. The confirmed position is the end of the last transaction before the first with an
 * unsettled row. What is settled beyond it would come again after a restart; a partition's rows are settled in order, so
 * one place for each partition says all of it.
 */
export class WalPosition {
  #confirmed: Lsn;
  readonly #open: OpenTransaction[] = [];
  /** Partition → its last settled row, of those that are not confirmed yet. */
  readonly #settled = new Map<string, RowPlace>();
  /** What was settled before this reader began. */
  readonly #before: { readonly confirmed: Lsn; readonly partitions: ReadonlyMap<string, RowPlace> };

  /** `confirmed`: the slot's own position; `before`: what its last reader noted. */
  constructor(confirmed: Lsn, before?: SettledNote) {
    const partitions = Object.entries(before?.partitions ?? {}).map(
      ([partition, [lsn, index]]) => [partition, { lsn: parseLsn(lsn), index }] as const,
    );
    this.#confirmed = before ? laterOf(confirmed, parseLsn(before.confirmed)) : confirmed;
    this.#before = { confirmed: this.#confirmed, partitions: new Map(partitions) };
    for (const [partition, place] of partitions) this.#settled.set(partition, place);
  }

  get confirmed(): Lsn {
    return this.#confirmed;
  }

  /** Transactions with rows that are not settled, or whose commit has not come yet. */
  get open(): number {
    return this.#open.length;
  }

  begin(lsn: Lsn): void {
    this.#open.push({ lsn, endLsn: undefined, rows: 0, unsettled: 0 });
  }

  /**
   * Counts a row of the transaction that is being read. Undefined when it was settled before, by an earlier reader;
   * otherwise to be settled later.
   */
  add(partition: string): { readonly transaction: OpenTransaction; readonly index: number } | undefined {
    const transaction = this.#open.at(-1);
    if (!transaction || transaction.endLsn !== undefined)
      throw new Error('replication: a row came outside a transaction');
    const index = transaction.rows;
    transaction.rows += 1;
    if (this.#wasSettled(partition, { lsn: transaction.lsn, index })) return undefined;
    transaction.unsettled += 1;
    return { transaction, index };
  }

  settle(partition: string, { transaction, index }: { transaction: OpenTransaction; index: number }): void {
    transaction.unsettled -= 1;
    this.#settled.set(partition, { lsn: transaction.lsn, index });
    this.#advance();
  }

  commit(endLsn: Lsn): void {
    const transaction = this.#open.at(-1);
    if (!transaction || transaction.endLsn !== undefined)
      throw new Error('replication: a commit came outside a transaction');
    transaction.endLsn = endLsn;
    if (transaction.unsettled === 0 && this.#open.length > 1) {
      this.#open.pop();
      this.#extend(endLsn);
    }
    this.#advance();
  }

  /** Nothing for this reader stands between what was read so far and `walEnd`. */
  idle(walEnd: Lsn): void {
    if (this.#open.length > 0) this.#extend(walEnd);
    else this.#confirmed = laterOf(this.#confirmed, walEnd);
  }

  /** To be kept, so that the next reader does not carry out again what is settled. */
  note(): SettledNote {
    this.#forgetConfirmed();
    return {
      confirmed: formatLsn(this.#confirmed),
      partitions: Object.fromEntries(
        [...this.#settled].map(([partition, { lsn, index }]) => [
          partition,
          [formatLsn(lsn), index] as const,
        ]),
      ),
    };
  }

  #wasSettled(partition: string, { lsn, index }: RowPlace): boolean {
    if (lsn < this.#before.confirmed) return true;
    const last = this.#before.partitions.get(partition);
    return last !== undefined && (lsn < last.lsn || (lsn === last.lsn && index <= last.index));
  }

  /** What ends behind an unsettled transaction is confirmed with it, so that a quiet table's list does not grow. */
  #extend(endLsn: Lsn): void {
    const last = this.#open.at(-1) as OpenTransaction;
    if (last.endLsn !== undefined) last.endLsn = laterOf(last.endLsn, endLsn);
  }

  #advance(): void {
    let first = this.#open[0];
    while (first && first.endLsn !== undefined && first.unsettled === 0) {
      this.#confirmed = laterOf(this.#confirmed, first.endLsn);
      this.#open.shift();
      first = this.#open[0];
    }
    if (this.#open.length === 0) this.#forgetConfirmed();
  }

  #forgetConfirmed(): void {
    for (const [partition, { lsn }] of this.#settled)
      if (lsn < this.#confirmed) this.#settled.delete(partition);
  }
}
