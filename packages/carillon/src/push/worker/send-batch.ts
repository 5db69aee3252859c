import type { Logger } from '../../logger.ts';
import { shorten } from '../../logger.ts';
import type { Database } from '../../storage/database.ts';
import { filterCondition, Params } from '../devices/device-filter.ts';
import { type ProviderLane, providerOf } from '../providers/lanes.ts';
import type { Outcome, ProviderMessage, Target } from '../providers/provider.ts';
import type { Job, NewJob, PushQueue, SendPayload } from '../queue/queue.ts';
import { audienceOf, type StoredPush } from '../queue/stored-push.ts';
import type { RenderedFor } from '../send/rendering.ts';
import { targetName } from '../status/recipients.ts';
import type { Statuses } from '../status/statuses.ts';
import { keepTrying } from './keep-trying.ts';
import { openings } from './limiter.ts';
import { takeNotes } from './notes.ts';
import type { OperatorAlarm } from './operator-alarm.ts';
import { type Addressee, groupByMessage, type RenderedGroup } from './render-groups.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { SenderPool } from './senders.ts';
import { pick, type Recipient, type Settled, settle } from './settlement.ts';

interface DeviceRow extends RenderedFor {
  readonly token: string;
  readonly platform: string;
  readonly timezone: string;
  readonly webpush_keys: Target['keys'] | null;
  readonly updated_at: string;
}

export interface SendBatchOptions {
  /** Absent where there are no devices: raw targets only. */
  readonly db: Database | undefined;
  readonly queue: PushQueue;
  readonly statuses: Statuses | undefined;
  readonly senders: SenderPool;
  readonly retry: RetryPolicy;
  readonly logger: Logger;
  /** Set for `dry_run`: log instead of sending, after this many milliseconds. */
  readonly dryRunLatency: number | undefined;
  readonly onOutcome: OnOutcome;
  readonly alarm: OperatorAlarm;
  /** Aborted when the worker can wait no longer for a database or queue that is away. */
  readonly signal: AbortSignal;
}

/** Told of each outcome; `platform` is empty for a raw target. */
export type OnOutcome = (
  lane: ProviderLane,
  outcome: Outcome,
  about: { readonly recipientType: string; readonly platform: string },
) => void;

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
  const lane = job.lane as ProviderLane;
  const provider = providerOf(lane);
  const message = push.messages[provider] as ProviderMessage;
  const { now: recipients, later } = parted(await loadRecipients(db, job, push), job, push);
  const notes = takeNotes((indexes) => queue.markSettled(job, indexes));
  const outcomes = new Map<Recipient, Outcome>();
  const report = ({ recipient, target, platform }: Addressee, given: Outcome) => {
    const outcome = storable(given);
    outcomes.set(recipient, outcome);
    options.onOutcome(lane, outcome, { recipientType: push.recipientType, platform });
    if (outcome.kind === 'accepted') notes.add(recipient.index);
    else logOutcome(logger, job, recipient, target, outcome);
  };
  const send = async ({ message: rendered, addressees }: RenderedGroup) => {
    const targets = addressees.map(({ target }) => target);
    const reportOne = (outcome: Outcome) => report(addressees[outcome.index] as Addressee, outcome);
    if (options.dryRunLatency === undefined) {
      await options.senders.send(lane, { targets, message: rendered }, reportOne);
    } else await dryRun(options.dryRunLatency, targets, reportOne);
  };
  const { groups, unrendered } = groupByMessage(message, recipients, push.rendering);
  for (const { addressee, outcome } of unrendered) report(addressee, { index: 0, ...outcome });
  await Promise.all(groups.map(send));
  await notes.stop();
  options.alarm.note(lane, outcomes.values());
  const context = { db, queue, statuses: options.statuses, provider, push, retry: options.retry };
  const settled = await keepTrying(() => settle(context, job, outcomes, later), options.signal).catch(
    async (error: unknown) => {
      await notes.flush();
      throw error;
    },
  );
  const { dead, ...counts } = settled;
  const codes = countCodes(outcomes.values());
  logger.info(
    {
      uid: push.uid,
      provider: lane,
      attempt: job.attempt,
      ...counts,
      dead: dead.length,
      later: later.length,
      codes,
    },
    'push batch sent',
  );
  return settled;
}

/** How often each code came that is not an acceptance: one line a batch, however many devices fail alike. */
function countCodes(outcomes: Iterable<Outcome>): Record<string, number> {
  const codes: Record<string, number> = {};
  for (const { kind, code } of outcomes) if (kind !== 'accepted') codes[code] = (codes[code] ?? 0) + 1;
  return codes;
}

/**
 * Retries and workers that were down can bring a job late: those whose window has closed meanwhile get a job of their own
 * at its next opening.
 */
function parted(
  addressees: readonly Addressee[],
  job: Job<SendPayload>,
  { limits, uid }: StoredPush,
): { now: readonly Addressee[]; later: NewJob[] } {
  if (!limits?.time) return { now: addressees, later: [] };
  const time = Date.now();
  const open = openings(limits.time);
  const byOpening = Map.groupBy(addressees, ({ timezone }) => open(timezone, time) ?? time);
  const now = byOpening.get(time) ?? [];
  byOpening.delete(time);
  const later = [...byOpening].map(([at, list]) => ({
    lane: job.lane,
    uid,
    attempt: job.attempt,
    payload: pick(
      job.payload,
      list.map(({ recipient }) => recipient),
    ),
    delayMs: at - time,
  }));
  return { now, later };
}

async function loadRecipients(
  db: Database | undefined,
  job: Job<SendPayload>,
  push: StoredPush,
): Promise<Addressee[]> {
  const settled = new Set(job.settled);
  const { payload } = job;
  if ('targets' in payload) {
    return payload.targets
      .map((target, index) => ({
        recipient: { index, deviceId: '', name: targetName(target), updatedAt: undefined },
        target,
        device: undefined,
        platform: '',
        timezone: '',
      }))
      .filter(({ recipient }) => !settled.has(recipient.index));
  }
  if (!db) return [];
  const params = new Params();
  const own = `d.id = ANY(${params.add(payload.devices)}::text[]) AND d.provider = ${params.add(providerOf(job.lane as ProviderLane))}`;
  const condition = filterCondition(audienceOf(push), params);
  const rows = await db.query<DeviceRow>(
    `SELECT d.id, d.token, d.webpush_keys, d.updated_at::text AS updated_at, d.platform, d.timezone
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
        recipient: { index, deviceId: id, name: id, updatedAt },
        target: keys ? { token, keys } : { token },
        device: row,
        platform: row.platform,
        timezone: row.timezone,
      },
    ];
  });
}

function logOutcome(logger: Logger, job: Job, recipient: Recipient, target: Target, outcome: Outcome): void {
  const { kind, code, reason, httpStatus } = outcome;
  logger.debug(
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

const LONGEST_WORDS = 1_000;
const PLAIN = /^[!-~]{0,200}$/;

/** An outcome whose words the database can hold: a service may answer with the character NUL, or half a surrogate pair. */
function storable(given: Outcome): Outcome {
  // Nearly all are such; what else an outcome has is ours.
  const isAccepted = given.code === 'accepted' && given.reason === undefined;
  if (isAccepted && (given.id === undefined || PLAIN.test(given.id))) return given;
  const { code, reason, id, ...outcome } = given;
  const plain = (text: string) => text.replaceAll('\0', '').slice(0, LONGEST_WORDS).toWellFormed();
  return {
    ...outcome,
    code: plain(code),
    ...(reason !== undefined && { reason: plain(reason) }),
    ...(id !== undefined && { id: plain(id) }),
  };
}
