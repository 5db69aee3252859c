import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome, SendBatch } from '../providers/provider.ts';

/** Main thread → sender thread. */
export type SenderRequest =
  | { readonly type: 'send'; readonly id: number; readonly lane: ProviderLane; readonly batch: SendBatch }
  | { readonly type: 'close' };

/** Sender thread → main thread: what became known since the last one. */
export interface SenderReport {
  /** Pairs of a batch's id and one of its outcomes. */
  readonly outcomes: readonly (readonly [id: number, outcome: Outcome])[];
  /** Batches whose targets are all reported. */
  readonly finished: readonly number[];
}
