import type { Database } from '../../storage/database.ts';
import type { Outcome, ProviderName } from '../providers/provider.ts';
import type { DeadLetter, Job, NewJob, PushQueue, SendPayload } from '../queue/queue.ts';
import type { StoredPush } from '../queue/stored-push.ts';
import { recipientName } from '../status/recipients.ts';
import type { Statuses, StatusRecord } from '../status/statuses.ts';
import { type RetryPolicy, retryDelay } from './retry-policy.ts';

/** One target of a send job that was really handed to a sender. */
export interface Recipient {
  /** Its place in the job's list. */
  readonly index: number;
  /** Empty for a raw token. */
  readonly deviceId: string;
  /** The device's id, or the shortened token. */
  readonly name: string;
  /** The registration that was rung: a newer one must not be removed for what the older one answered. */
  readonly updatedAt: string | undefined;
}

export interface SettlementContext {
  /** Absent where there are no devices. */
  readonly db: Database | undefined;
  readonly queue: PushQueue;
  readonly statuses: Statuses | undefined;
  readonly provider: ProviderName;
  readonly push: StoredPush;
  readonly retry: RetryPolicy;
}

/** What one attempt at a batch came to. */
export interface Settled {
  readonly accepted: number;
  readonly removed: number;
  readonly retried: number;
  readonly dead: readonly DeadLetter[];
}

/**
 * Draws the consequences of an attempt: dead devices go, statuses are recorded, and in one step with the end of its job what
 * may pass is queued again and what never will is written down. What comes before that step can be repeated.
 *
 * @param later jobs for those whose time has not come, besides the retries
 */
export async function settle(
  context: SettlementContext,
  job: Job<SendPayload>,
  outcomes: ReadonlyMap<Recipient, Outcome>,
  later: readonly NewJob[] = [],
): Promise<Settled> {
  const gone: [Recipient, Outcome][] = [];
  const retries = new Map<
    string,
    { attempt: number; retryAfterMs: number | undefined; recipients: Recipient[] }
  >();
  const dead: DeadLetter[] = [];
  const records = acceptedBefore(job);
  let accepted = 0;
  for (const [recipient, outcome] of outcomes) {
    const { code, reason, id } = outcome;
    const record = { recipient: recipient.name, code, attempts: job.attempt, ...(reason && { reason }) };
    if (outcome.kind === 'accepted') {
      accepted += 1;
      records.push({ ...record, status: 'accepted', ...(id && { messageId: id }) });
      continue;
    }
    const attempt = outcome.kind === 'retry' ? nextAttempt(context, job, outcome) : undefined;
    if (attempt !== undefined) {
      // One delay for all that failed alike, so that they stay one batch.
      const { retryAfterMs } = outcome;
      const key = `${attempt} ${retryAfterMs}`;
      const group = retries.get(key);
      if (group) group.recipients.push(recipient);
      else retries.set(key, { attempt, retryAfterMs, recipients: [recipient] });
      continue;
    }
    records.push({ ...record, status: 'failed' });
    if (outcome.kind === 'gone') gone.push([recipient, outcome]);
    else dead.push(deadLetter(context.provider, recipient, outcome));
  }
  const again: NewJob[] = [...retries.values()].map(({ attempt, retryAfterMs, recipients }) => ({
    lane: job.lane,
    uid: job.uid,
    attempt,
    payload: pick(job.payload, recipients),
    delayMs: retryDelay(retryAfterMs === undefined ? {} : { retryAfterMs }, job.attempt, context.retry),
  }));
  if (context.db) await removeDevices(context.db, gone);
  await context.statuses?.record(context.push, context.provider, records);
  await context.queue.finish(job, { next: [...again, ...later], dead });
  const retried = [...retries.values()].reduce((sum, { recipients }) => sum + recipients.length, 0);
  return { accepted, removed: gone.length, retried, dead };
}

/** Those whom an earlier holder of the job got accepted, and died before it could record them. */
export function acceptedBefore({ payload, settled, attempt }: Job): StatusRecord[] {
  if ('cursor' in payload) return [];
  return [...new Set(settled)].map((index) => ({
    recipient: recipientName(payload, index),
    status: 'accepted',
    code: 'accepted',
    attempts: attempt,
  }));
}

/**
 * The number of the next attempt; the present one's again while the push is held. Undefined when there is none: the cap is
 * reached, or it would come after the push has expired.
 */
function nextAttempt(context: SettlementContext, job: Job, outcome: Outcome): number | undefined {
  const { max_attempts, max_hold } = context.retry.limits;
  const earliest = Date.now() + (outcome.retryAfterMs ?? 0);
  const { expireAt, acceptedAt, sendAt } = context.push;
  if (expireAt > 0 && earliest >= expireAt) return undefined;
  if (outcome.isHeld && earliest <= Math.max(acceptedAt, sendAt) + max_hold) return job.attempt;
  return job.attempt < max_attempts ? job.attempt + 1 : undefined;
}

function deadLetter(provider: ProviderName, { name }: Recipient, outcome: Outcome): DeadLetter {
  const words = outcome.reason ?? '';
  return {
    provider,
    recipient: name,
    code: outcome.code,
    reason: outcome.kind === 'retry' ? `gave up: ${words || outcome.code}` : words,
  };
}

/** The part of a payload that concerns these recipients. */
export function pick(payload: SendPayload, recipients: readonly Pick<Recipient, 'index'>[]): SendPayload {
  const indexes = recipients.map((recipient) => recipient.index);
  if ('devices' in payload) return { devices: indexes.map((index) => payload.devices[index] as string) };
  return { targets: indexes.map((index) => payload.targets[index] as (typeof payload.targets)[number]) };
}

/** A service may say since when an address is dead: a device that has registered after that is alive. */
async function removeDevices(db: Database, gone: readonly [Recipient, Outcome][]): Promise<void> {
  const devices = gone.filter(([recipient]) => recipient.deviceId !== '');
  if (devices.length === 0) return;
  await db.query(
    `DELETE FROM carillon_devices d USING unnest($1::text[], $2::text[], $3::float8[]) AS dead(id, updated_at, since)
     WHERE d.id = dead.id AND d.updated_at::text = dead.updated_at
       AND (dead.since IS NULL OR d.updated_at <= to_timestamp(dead.since / 1000))`,
    [
      devices.map(([device]) => device.deviceId),
      devices.map(([device]) => device.updatedAt),
      devices.map(([, outcome]) => outcome.goneSince ?? null),
    ],
  );
}
