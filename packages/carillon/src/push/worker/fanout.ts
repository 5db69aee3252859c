import type { Database } from '../../storage/database.ts';
import { type RecipientRow, recipientPage } from '../devices/device-filter.ts';
import { laneOf, type ProviderLane } from '../providers/lanes.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { FanoutPayload, Job, Lane, NewJob, PushQueue } from '../queue/queue.ts';
import { audienceOf, type StoredPush } from '../queue/stored-push.ts';
import { chunks } from '../send/pushes.ts';
import type { Statuses } from '../status/statuses.ts';
import { type LimitedDevice, planPage, type Verdict } from './limiter.ts';

export interface FanoutOptions {
  /** The devices: a replica where one may be read. */
  readonly devices: Pick<Database, 'query'>;
  readonly db: Database;
  readonly queue: PushQueue;
  readonly statuses: Statuses;
  /** Devices a page: what bounds memory, whatever the audience. */
  readonly pageSize: number;
  readonly batchSize: (lane: ProviderLane) => number;
  /** Offers the jobs of a short page to this worker at once; false when it has no room for them. */
  readonly hasRoomFor: (jobs: readonly NewJob[]) => boolean;
  readonly adopt: (job: Job) => void;
  readonly onDropped: OnDropped;
}

/** Told of recipients who are left out, and why: `expired`, `cancelled`, or what a limit says. */
export type OnDropped = (lane: Lane, recipientType: string, reason: string, count: number) => void;

/** What came of a fan-out: how many devices it found, how many of them a limit left out, and what ended it before its end. */
export interface FannedOut {
  readonly devices: number;
  readonly dropped: number;
  readonly ended?: 'cancelled' | 'expired';
}

/** Delays of one page that differ by less than this become one job. */
const DELAY_GRAIN_MS = 250;

/**
 * Turns a push into send jobs, page by page. Each page's jobs and the cursor behind it are one step of the queue, so that
 * whoever goes on after a crash repeats no page and leaves out none. Before each page it is looked at whether the push is
 * still wanted.
 * @throws LeaseLostError when another worker has taken over
 */
export async function fanOut(
  options: FanoutOptions,
  job: Job<FanoutPayload>,
  push: StoredPush,
): Promise<FannedOut> {
  const { queue, pageSize } = options;
  const providers = Object.keys(push.messages) as ProviderName[];
  let { cursor } = job.payload;
  let devices = 0;
  let dropped = 0;
  for (;;) {
    if (push.expireAt > 0 && push.expireAt <= Date.now()) {
      await queue.finish(job, { expired: true });
      return { devices, dropped, ended: 'expired' };
    }
    const page = recipientPage(audienceOf(push), providers, cursor, pageSize, push.limits !== null);
    const rows = await options.devices.query<RecipientRow>(page.text, page.values);
    const limited = await limit(options, push, rows);
    const jobs = limited.groups.flatMap(({ rows: group, delayMs }) =>
      sendJobs(push, group, delayMs, options.batchSize),
    );
    const last = rows.length < pageSize;
    // The usual push has few devices: the same worker goes on with them, and no other has to be woken.
    const lease =
      last &&
      cursor === '' &&
      jobs.length > 0 &&
      jobs.every(({ delayMs }) => !delayMs) &&
      options.hasRoomFor(jobs);
    cursor = rows.at(-1)?.id ?? cursor;
    devices += rows.length;
    dropped += limited.dropped;
    if (last) {
      for (const own of await queue.finish(job, { next: jobs, lease })) options.adopt(own);
      return { devices, dropped };
    }
    if (await queue.advance(job, cursor, jobs)) {
      await queue.finish(job);
      return { devices, dropped, ended: 'cancelled' };
    }
  }
}

type Drop = Extract<Verdict, { drop: string }>;

interface DelayGroup {
  readonly delayMs: number;
  readonly rows: readonly RecipientRow[];
}

/** Parts a page by when its devices may be rung; records those that will not be. */
async function limit(
  { db, statuses, onDropped }: FanoutOptions,
  push: StoredPush,
  rows: readonly RecipientRow[],
): Promise<{ groups: DelayGroup[]; dropped: number }> {
  const { limits } = push;
  if (!limits || rows.length === 0) return { groups: [{ delayMs: 0, rows }], dropped: 0 };
  const now = Date.now();
  const verdicts = await planPage(db, { ...push, limits }, rows as (RecipientRow & LimitedDevice)[], now);
  const byDelay = new Map<number, RecipientRow[]>();
  const dropped = new Map<ProviderName, { row: RecipientRow; verdict: Drop }[]>();
  rows.forEach((row, index) => {
    const verdict = verdicts[index] as Verdict;
    if ('drop' in verdict) {
      dropped.set(row.provider, [...(dropped.get(row.provider) ?? []), { row, verdict }]);
    } else {
      const delay = Math.ceil(Math.max(0, verdict.at - now) / DELAY_GRAIN_MS) * DELAY_GRAIN_MS;
      const group = byDelay.get(delay);
      if (group) group.push(row);
      else byDelay.set(delay, [row]);
    }
  });
  for (const [provider, list] of dropped) {
    const records = list.map(({ row, verdict: { drop, reason } }) => ({
      recipient: row.id,
      status: drop === 'expired' ? ('expired' as const) : ('dropped' as const),
      code: drop,
      reason,
    }));
    await statuses.record(push, provider, records);
    const lane = laneOf(provider, push.app ?? '');
    for (const [reason, some] of Map.groupBy(list, ({ verdict }) => verdict.drop)) {
      onDropped(lane, push.recipientType, reason, some.length);
    }
  }
  return {
    groups: [...byDelay].map(([delayMs, group]) => ({ delayMs, rows: group })),
    dropped: [...dropped.values()].reduce((sum, list) => sum + list.length, 0),
  };
}

function sendJobs(
  { uid, app = '' }: StoredPush,
  rows: readonly RecipientRow[],
  delayMs: number,
  batchSize: (lane: ProviderLane) => number,
): NewJob[] {
  const byLane = Map.groupBy(rows, (row) => laneOf(row.provider, app));
  return [...byLane].flatMap(([lane, devices]) =>
    chunks(devices, batchSize(lane)).map((batch) => ({
      lane,
      uid,
      payload: { devices: batch.map((device) => device.id) },
      delayMs,
    })),
  );
}
