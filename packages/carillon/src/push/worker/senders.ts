import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome, SendBatch } from '../providers/provider.ts';

/** How busy the senders are. */
export interface SenderUtilization {
  /** Targets handed over whose outcome is not known yet. */
  readonly inFlight: number;
  /** A share of 0 to 1 a thread: how much of the time since the last call its event loop was busy. */
  readonly threads: readonly number[];
}

/** Sends batches somewhere that is not the thread of the sockets. */
export interface SenderPool {
  /**
   * Sends to every target of the batch and reports each exactly once. Resolves when all are reported; never rejects
   * for what a service, the network or a thread did: that is an outcome.
   */
  send(lane: ProviderLane, batch: SendBatch, report: (outcome: Outcome) => void): Promise<void>;
  utilization(): SenderUtilization;
  /** Lets sends under way end within a limit (the rest is reported as `retry`); resolves when all threads have ended. */
  close(): Promise<void>;
}
