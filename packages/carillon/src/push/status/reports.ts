import { providerOf } from '../providers/lanes.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { BuriedLetter, Job, LoadedPush, PushQueue } from '../queue/queue.ts';
import type { StoredPush } from '../queue/stored-push.ts';
import { recipientsOf } from './recipients.ts';
import type { Statuses, StatusPageRequest, StatusRow } from './statuses.ts';

/**
 * Where a push is as a whole: `scheduled` until its `send_at`, `sending` while jobs of it are left, `cancelled` or `expired`
 * when that is why the rest will not be sent, else `done`.
 */
export type PushState = 'scheduled' | 'sending' | 'cancelled' | 'expired' | 'done';

export interface PushReport {
  /** Undefined when the push is not, or no longer, known, and only its statuses are. */
  readonly state: PushState | undefined;
  readonly push: StoredPush | undefined;
  readonly counts: Readonly<Record<string, number>>;
  readonly rows: readonly StatusRow[];
  readonly more: boolean;
  readonly deadLetters: readonly BuriedLetter[];
}

export type OnReport = (provider: ProviderName, status: string) => void;

/** Tells what became of pushes, from the queue and the statuses. */
export class PushReports {
  readonly #queue: PushQueue;
  readonly #onReport: OnReport;
  readonly statuses: Statuses | undefined;

  /** @param onReport counts what apps report, also where no statuses are kept */
  constructor(queue: PushQueue, statuses: Statuses | undefined, onReport: OnReport = () => {}) {
    this.#queue = queue;
    this.#onReport = onReport;
    this.statuses = statuses;
  }

  /** What an app saw of a push. */
  async report(
    analyticsUid: string,
    deviceId: string,
    provider: ProviderName,
    status: 'delivered' | 'interacted',
    messageId: string,
  ): Promise<void> {
    await this.statuses?.report(analyticsUid, deviceId, provider, status, messageId);
    this.#onReport(provider, status);
  }

  /** Undefined when nothing is known of it. Where no statuses are kept there are neither counts nor rows. */
  async read(request: StatusPageRequest): Promise<PushReport | undefined> {
    const { uid } = request;
    const kept = this.statuses?.on ? this.statuses : undefined;
    const found = uid ? await this.#queue.load(uid) : undefined;
    const [counts, page, pending, deadLetters] = await Promise.all([
      kept?.counts(request) ?? {},
      kept?.page(request) ?? { rows: [], more: false },
      found ? this.#queue.pending(uid) : 0,
      uid ? this.#queue.deadLetters(uid) : [],
    ]);
    if (!found && Object.keys(counts).length + deadLetters.length === 0) return undefined;
    const state = found && stateOf(found, pending);
    return { state, push: found?.push, counts, ...page, deadLetters };
  }

  /** Records those whom the removed jobs of a cancelled push would have rung. */
  async recordCancelled(uid: string, removed: readonly Job[]): Promise<void> {
    const found = this.statuses?.on && removed.length > 0 ? await this.#queue.load(uid) : undefined;
    if (!found) return;
    for (const job of removed) {
      const records = recipientsOf(job).map((recipient) => ({ recipient, status: 'cancelled' }) as const);
      if (job.lane !== 'fanout') await this.statuses?.record(found.push, providerOf(job.lane), records);
    }
  }
}

function stateOf({ push, cancelled, expired }: LoadedPush, pending: number): PushState {
  if (cancelled) return 'cancelled';
  if (pending === 0) return expired ? 'expired' : 'done';
  if (push.expireAt > 0 && push.expireAt <= Date.now()) return 'expired';
  return push.sendAt > Date.now() ? 'scheduled' : 'sending';
}
