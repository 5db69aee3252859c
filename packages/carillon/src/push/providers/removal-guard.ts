import type { Outcome } from './provider.ts';

/** Sums are halved beyond it, so that what counts is lately. */
const MEMORY = 200;
/** So many of a batch may be bad without any other that was accepted. */
const FEW = 3;

/**
 * Judges addresses that a service calls bad in a way that a wrong environment or key of ours would show in, too: with
 * a sandbox's key every address of production is a bad one, and believing it would empty the table. They are believed
 * only while the service accepts at least as many others, lately and in the same batch; else the device stays, and the push
 * fails with words.
 */
export class RemovalGuard {
  #accepted = 0;
  #doubtful = 0;

  accept(count = 1): void {
    this.#accepted += count;
    this.#forget();
  }

  /**
   * Settles doubtful outcomes together, at the end of their batch: `gone` stays or becomes `failed`.
   * @param accepted others of the batch that were accepted
   */
  settle(doubtful: readonly Outcome[], accepted = Number.POSITIVE_INFINITY): Outcome[] {
    if (doubtful.length === 0) return [];
    this.#doubtful += doubtful.length;
    const isBelieved = this.#doubtful <= this.#accepted && doubtful.length <= Math.max(FEW, accepted);
    this.#forget();
    if (isBelieved) return [...doubtful];
    return doubtful.map((outcome) => ({
      ...outcome,
      kind: 'failed',
      reason: `${outcome.reason}; the device is kept: so many at once look like a wrong key or environment`,
    }));
  }

  #forget(): void {
    if (this.#accepted + this.#doubtful <= MEMORY) return;
    this.#accepted /= 2;
    this.#doubtful /= 2;
  }
}
