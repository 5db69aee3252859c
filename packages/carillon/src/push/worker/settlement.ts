import type { Database, Queryable } from '../../storage/database.ts';
import type { Outcome, ProviderName } from '../providers/provider.ts';
import type { Job, NewJob, PushQueue, SendPayload } from '../queue/queue.ts';
import { type RetryPolicy, retryDelay } from './retry-policy.ts';

/** One target of a send job that was really handed to a sender. */
export interface Recipient {
  /** Its place in the job's list. */
  readonly index: number;
  /** Empty for a raw token. */
  readonly deviceId: string;
  /** The registration that was rung: a newer one must not be removed for what the older one answered. */
  readonly updatedAt: string | undefined;
}

export interface SettlementContext {
  readonly db: Database;
  readonly queue: PushQueue;
  readonly provider: ProviderName;
  readonly expireAt: Date | null;
  readonly retry: RetryPolicy;
}

/** What one attempt at a batch came to. */
export interface Settled {
  readonly accepted: number;
  readonly removed: number;
  readonly retried: number;
  readonly dead: readonly { readonly deviceId: string; readonly code: string; readonly reason: string }[];
}

interface DeadLetter {
  deviceId: string;
  code: string;
  reason: string;
}

/**
 * Draws the consequences of an attempt in one transaction with the end of its job: dead devices go, what may pass is
 * queued again, what never will is written down.
 */
export async function settle(
  context: SettlementContext,
  job: Job<SendPayload>,
  outcomes: ReadonlyMap<Recipient, Outcome>,
): Promise<Settled> {
  const gone: Recipient[] = [];
  const retries = new Map<number, Recipient[]>();
  const dead: DeadLetter[] = [];
  let accepted = 0;
  for (const [recipient, outcome] of outcomes) {
    if (outcome.kind === 'accepted') accepted += 1;
    else if (outcome.kind === 'gone') gone.push(recipient);
    else {
      const delay = outcome.kind === 'retry' ? nextDelay(context, job, outcome) : undefined;
      if (delay === undefined) dead.push(deadLetter(recipient, outcome));
      else {
        // One delay for all that failed alike, so that they stay one batch.
        const key = outcome.retryAfterMs ?? -1;
        retries.set(key, [...(retries.get(key) ?? []), recipient]);
      }
    }
  }
  const again: NewJob[] = [...retries].map(([retryAfter, recipients]) => ({
    lane: job.lane,
    uid: job.uid,
    attempt: job.attempt + 1,
    payload: pick(job.payload, recipients),
    delayMs: retryDelay(retryAfter < 0 ? {} : { retryAfterMs: retryAfter }, job.attempt, context.retry),
  }));
  await context.db.transaction(async (tx) => {
    await context.queue.finish(tx, job);
    await removeDevices(tx, gone);
    await context.queue.add(tx, again);
    await buryLetters(tx, job, context.provider, dead);
  });
  const retried = [...retries.values()].reduce((sum, list) => sum + list.length, 0);
  return { accepted, removed: gone.length, retried, dead };
}

/** Undefined when there is no next attempt: the cap is reached, or it would come after the push has expired. */
function nextDelay(context: SettlementContext, job: Job, outcome: Outcome): number | undefined {
  if (job.attempt >= context.retry.limits.max_attempts) return undefined;
  const earliest = outcome.retryAfterMs ?? 0;
  if (context.expireAt && Date.now() + earliest >= context.expireAt.getTime()) return undefined;
  return earliest;
}

function deadLetter({ deviceId }: Recipient, outcome: Outcome): DeadLetter {
  const words = outcome.reason ?? '';
  return {
    deviceId,
    code: outcome.code,
    reason: outcome.kind === 'retry' ? `gave up: ${words || outcome.code}` : words,
  };
}

function pick(payload: SendPayload, recipients: readonly Recipient[]): SendPayload {
  const indexes = recipients.map((recipient) => recipient.index);
  if ('devices' in payload) return { devices: indexes.map((index) => payload.devices[index] as string) };
  return { targets: indexes.map((index) => payload.targets[index] as (typeof payload.targets)[number]) };
}

async function removeDevices(tx: Queryable, gone: readonly Recipient[]): Promise<void> {
  const devices = gone.filter((recipient) => recipient.deviceId !== '');
  if (devices.length === 0) return;
  await tx.query(
    `DELETE FROM carillon_devices d USING unnest($1::text[], $2::text[]) AS dead(id, updated_at)
     WHERE d.id = dead.id AND d.updated_at::text = dead.updated_at`,
    [devices.map((device) => device.deviceId), devices.map((device) => device.updatedAt)],
  );
}

async function buryLetters(
  tx: Queryable,
  job: Job,
  provider: ProviderName,
  letters: readonly DeadLetter[],
): Promise<void> {
  if (letters.length === 0) return;
  await tx.query(
    `INSERT INTO carillon_push_dead_letters (uid, provider, device_id, code, reason, attempts)
     SELECT $1, $2, device, code, reason, $3 FROM unnest($4::text[], $5::text[], $6::text[]) AS x(device, code, reason)`,
    [
      job.uid,
      provider,
      job.attempt,
      letters.map((letter) => letter.deviceId),
      letters.map((letter) => letter.code),
      letters.map((letter) => letter.reason),
    ],
  );
}
