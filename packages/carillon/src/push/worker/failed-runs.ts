import type { ProviderName } from '../providers/provider.ts';
import type { DeadLetter, Job, PushQueue } from '../queue/queue.ts';
import type { StoredPush } from '../queue/stored-push.ts';
import { recipientsOf } from '../status/recipients.ts';
import type { Statuses, StatusRecord } from '../status/statuses.ts';
import { acceptedBefore } from './settlement.ts';

/** A job that fails for a reason of our own is run so often by one process, each time a lease later. */
export const MAX_FAILED_RUNS = 5;
const MAX_JOBS = 10_000;
const CODE = 'internal_error';
const REASON = 'the server could not carry it out; its log says why';

/** Counts the runs of jobs that failed though database and queue answered: such a job might come back for ever. */
export class FailedRuns {
  readonly #counts = new Map<string, number>();

  /** @returns whether it has failed often enough */
  add(job: Job): boolean {
    const count = (this.#counts.get(job.id) ?? 0) + 1;
    if (this.#counts.size >= MAX_JOBS) this.#counts.delete(this.#counts.keys().next().value as string);
    this.#counts.set(job.id, count);
    return count >= MAX_FAILED_RUNS;
  }

  forget(job: Job): void {
    this.#counts.delete(job.id);
  }
}

/** Ends a job that is given up, with a dead letter for each of those whom it has not reached. */
export async function bury(
  { queue, statuses }: { readonly queue: PushQueue; readonly statuses: Statuses | undefined },
  job: Job,
  push: StoredPush,
  provider: ProviderName,
): Promise<readonly DeadLetter[]> {
  const isFanout = job.lane === 'fanout';
  const recipients = isFanout ? [''] : recipientsOf(job);
  const dead = recipients.map((recipient) => ({ provider, recipient, code: CODE, reason: REASON }));
  if (!isFanout) {
    const failed = recipients.map(
      (recipient): StatusRecord => ({ recipient, status: 'failed', code: CODE, reason: REASON }),
    );
    const records = [...acceptedBefore(job), ...failed];
    // It may be this that failed all the time; the dead letters remain.
    await statuses?.record(push, provider, records).catch(() => {});
  }
  await queue.finish(job, { dead });
  return dead;
}
