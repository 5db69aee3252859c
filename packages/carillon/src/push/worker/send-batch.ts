import type { Logger } from '../../logger.ts';
import { shorten } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { filterCondition, Params } from '../devices/device-filter.ts';
import type { Outcome, ProviderMessage, ProviderName, Target } from '../providers/provider.ts';
import type { Job, PushQueue, SendPayload } from '../queue/queue.ts';
import type { StoredPush } from '../send/pushes.ts';
import type { RenderedFor } from '../send/rendering.ts';
import { type Addressee, groupByMessage, type RenderedGroup } from './render-groups.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { SenderPool } from './senders.ts';
import { type Recipient, type Settled, settle } from './settlement.ts';

interface DeviceRow extends RenderedFor {
  readonly token: string;
  readonly webpush_keys: Target['keys'] | null;
  readonly updated_at: string;
}

/** Outcomes are noted together at most this long after the first: what a crash may repeat. */
const NOTE_AFTER_MS = 20;

export interface SendBatchOptions {
  readonly db: Database;
  readonly queue: PushQueue;
  readonly senders: SenderPool;
  readonly retry: RetryPolicy;
  readonly logger: Logger;
  /** Set for `dry_run`: log instead of sending, after this many milliseconds. */
  readonly dryRunLatency: number | undefined;
  readonly onOutcome: (provider: ProviderName, outcome: Outcome) => void;
}

/**
 * Rings one batch. Devices are loaded now, with the push's filter once more, so that who logged out, left the topic or moved
 * to another user since the fan-out is not rung. Accepted targets are noted on the job while the rest is under way: a
 * worker that takes over after a crash repeats only calls whose answer was not noted.
 */
export async function sendBatch(
  options: SendBatchOptions,
  job: Job<SendPayload>,
  push: StoredPush,
): Promise<Settled> {
  const { db, queue, logger } = options;
  const provider = job.lane as ProviderName;
  const message = push.messages[provider] as ProviderMessage;
  const recipients = await loadRecipients(db, job, push);
  const note = accumulate(NOTE_AFTER_MS, (indexes: number[]) => queue.markSettled(job, indexes));
  const outcomes = new Map<Recipient, Outcome>();
  const report = ({ recipient, target }: Addressee, outcome: Outcome) => {
    outcomes.set(recipient, outcome);
    options.onOutcome(provider, outcome);
    if (outcome.kind === 'accepted') note.add(recipient.index);
    else logOutcome(logger, job, recipient, target, outcome);
  };
  const send = async ({ message: rendered, addressees }: RenderedGroup) => {
    const targets = addressees.map(({ target }) => target);
    const reportOne = (outcome: Outcome) => report(addressees[outcome.index] as Addressee, outcome);
    if (options.dryRunLatency === undefined) {
      await options.senders.send(provider, { targets, message: rendered }, reportOne);
    } else await dryRun(options.dryRunLatency, targets, reportOne);
  };
  await Promise.all(groupByMessage(message, recipients, push.rendering).map(send));
  await note.stop();
  const settled = await settle(
    { db, queue, provider, expireAt: push.expire_at, retry: options.retry },
    job,
    outcomes,
  );
  const { dead, ...counts } = settled;
  logger.info(
    { uid: push.uid, provider, attempt: job.attempt, ...counts, dead: dead.length },
    'push batch sent',
  );
  return settled;
}

async function loadRecipients(db: Database, job: Job<SendPayload>, push: StoredPush): Promise<Addressee[]> {
  const settled = new Set(job.settled);
  const { payload } = job;
  if ('targets' in payload) {
    return payload.targets
      .map((target, index) => ({
        recipient: { index, deviceId: '', updatedAt: undefined },
        target,
        device: undefined,
      }))
      .filter(({ recipient }) => !settled.has(recipient.index));
  }
  const params = new Params();
  const own = `d.id = ANY(${params.add(payload.devices)}::text[]) AND d.provider = ${params.add(job.lane)}`;
  const condition = filterCondition(push.filter ?? {}, params);
  const rows = await db.query<DeviceRow>(
    `SELECT d.id, d.token, d.webpush_keys, d.updated_at::text AS updated_at
            ${push.rendering ? ', d.user_id AS user, d.locale, d.meta' : ''}
     FROM carillon_devices d WHERE ${own} AND ${condition}`,
    params.values,
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return payload.devices.flatMap((id, index): Addressee[] => {
    const row = byId.get(id);
    if (!row || settled.has(index)) return [];
    const { token, webpush_keys: keys, updated_at: updatedAt } = row;
    return [
      {
        recipient: { index, deviceId: id, updatedAt },
        target: keys ? { token, keys } : { token },
        device: row,
      },
    ];
  });
}

function logOutcome(logger: Logger, job: Job, recipient: Recipient, target: Target, outcome: Outcome): void {
  const { kind, code, reason, httpStatus } = outcome;
  logger.info(
    {
      uid: job.uid,
      provider: job.lane,
      device: recipient.deviceId,
      token: shorten(target.token),
      attempt: job.attempt,
      kind,
      code,
      reason,
      httpStatus,
    },
    'push not accepted',
  );
}

async function dryRun(
  latency: number,
  targets: readonly Target[],
  report: (outcome: Outcome) => void,
): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, latency));
  for (let index = 0; index < targets.length; index++) report({ index, kind: 'accepted', code: 'dry_run' });
}

/** Gathers items and hands them on together, `afterMs` after the first; `stop` drops what the caller settles otherwise. */
function accumulate(afterMs: number, flush: (items: number[]) => Promise<void>) {
  let items: number[] = [];
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();
  return {
    add(item: number): void {
      items.push(item);
      timer ??= setTimeout(() => {
        const batch = items;
        items = [];
        timer = undefined;
        // Not noting is no failure: at worst a later holder repeats these.
        flushing = flushing.then(() => flush(batch)).catch(() => {});
      }, afterMs);
    },
    async stop(): Promise<void> {
      clearTimeout(timer);
      await flushing;
    },
  };
}
