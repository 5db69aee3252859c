import type { Database, Queryable } from '../../storage/database.ts';
import type { LimitStrategy, RateLimit } from '../queue/stored-push.ts';
import { bucketOf } from '../send/rate-bucket.ts';
import { earliestSlot, insertHit } from '../send/rate-slots.ts';
import { nextInWindow } from '../send/time-window.ts';

/** What a limit needs to know of a device. */
export interface LimitedDevice {
  readonly id: string;
  readonly user: string;
  readonly timezone: string;
}

/** When a device may be rung (Unix milliseconds; not later than `now` means at once), or why it will not be. */
export type Verdict = { readonly at: number } | { readonly drop: string; readonly reason: string };

export interface LimitedPush {
  readonly uid: string;
  readonly limits: LimitStrategy;
  readonly expireAt: number;
}

/** Hits of a bucket that are looked at; before the oldest of so many, no slot is given. */
const HITS_LOOKED_AT = 2_000;
/** Buckets share this many locks: enough to work side by side, few enough for PostgreSQL's lock table. */
const LOCK_STRIPES = 64;
const MAX_WINDOW_TURNS = 100;

/**
 * Decides for one page of devices: first the time of day, then the rate, and the time of day again if the rate delays.
 *
 * A slot is reserved in the database, under the push's `uid` and the device: whoever repeats the page after a crash finds its
 * own reservations and takes them up.
 *
 * @returns verdicts in the order of the devices
 */
export async function planPage(
  db: Database,
  push: LimitedPush,
  devices: readonly LimitedDevice[],
  now: number,
): Promise<Verdict[]> {
  const { time, rate } = push.limits;
  const opening = openings(time);
  const open = (device: LimitedDevice, from: number): number | undefined => opening(device.timezone, from);
  const inTime = devices.map((device): Verdict => {
    const at = open(device, now);
    return at === undefined
      ? { drop: 'no_timezone', reason: 'the device has no time zone, and the push has a time window' }
      : { at };
  });
  const verdicts = rate ? await reserve(db, push, rate, devices, inTime, open) : inTime;
  return verdicts.map((verdict) =>
    'at' in verdict && push.expireAt > 0 && verdict.at >= push.expireAt && verdict.at > now
      ? { drop: 'expired', reason: 'the limit allows it only after expire_at' }
      : verdict,
  );
}

/**
 * Finds for a push's time window when it is open next; computed once for each zone and time.
 * The result is undefined for a device without a zone that is to be left out.
 */
export function openings(
  time: LimitStrategy['time'],
): (timezone: string, from: number) => number | undefined {
  if (!time) return (_timezone, from) => from;
  const known = new Map<string, number>();
  return (timezone, from) => {
    if (timezone === '') return time.noTimezoneSendNow ? from : undefined;
    const key = `${timezone} ${from}`;
    const at = known.get(key) ?? nextInWindow(time, timezone, from);
    known.set(key, at);
    return at;
  };
}

/** Gives up reservations whose windows are over. */
export async function purgeReservations(db: Database): Promise<void> {
  await db.query('DELETE FROM carillon_push_rate_hits WHERE expires_at < $1', [Date.now()]);
}

async function reserve(
  db: Database,
  push: LimitedPush,
  rate: RateLimit,
  devices: readonly LimitedDevice[],
  inTime: readonly Verdict[],
  open: (device: LimitedDevice, from: number) => number | undefined,
): Promise<Verdict[]> {
  const buckets = devices.map((device) => bucketOf(rate.key, device));
  const longest = Math.max(...rate.policies.map(({ intervalMs }) => intervalMs));
  return db.transaction(async (tx) => {
    if (db.kind === 'postgres') await lock(tx, buckets);
    const own = await ownReservations(tx, push.uid, devices);
    const hits = await loadHits(tx, [...new Set(buckets)], Date.now() - longest, rate);
    const added: { bucket: string; device: string; at: number }[] = [];
    const verdicts = devices.map((device, index): Verdict => {
      const verdict = inTime[index] as Verdict;
      const reserved = own.get(device.id);
      if (reserved !== undefined) return { at: reserved };
      if (!('at' in verdict)) return verdict;
      const bucket = buckets[index] as string;
      const { times, notBefore } = hits.get(bucket) ?? { times: [], notBefore: 0 };
      const at = slotInWindow(times, rate, device, Math.max(verdict.at, notBefore), open);
      if (at > verdict.at && rate.drop) {
        return { drop: 'rate_limited', reason: 'the rate limit is reached' };
      }
      if (push.expireAt > 0 && at >= push.expireAt) return { at };
      insertHit(times, at);
      hits.set(bucket, { times, notBefore });
      added.push({ bucket, device: device.id, at });
      return { at };
    });
    if (added.length > 0) {
      await tx.query(
        `INSERT INTO carillon_push_rate_hits (bucket, uid, device_id, at, expires_at)
         SELECT bucket, $1, device, at, at + $2 FROM unnest($3::text[], $4::text[], $5::bigint[]) AS x(bucket, device, at)
         ON CONFLICT DO NOTHING`,
        [
          push.uid,
          longest,
          added.map(({ bucket }) => bucket),
          added.map(({ device }) => device),
          added.map(({ at }) => Math.floor(at)),
        ],
      );
    }
    return verdicts;
  });
}

/** A slot that the rate allows may lie outside the window, and the next opening may be taken: until both agree. */
function slotInWindow(
  times: readonly number[],
  rate: RateLimit,
  device: LimitedDevice,
  from: number,
  open: (device: LimitedDevice, from: number) => number | undefined,
): number {
  let at = from;
  for (let turn = 0; turn < MAX_WINDOW_TURNS; turn++) {
    const slot = earliestSlot(times, rate.policies, at);
    const opening = open(device, slot) ?? slot;
    if (opening === slot) return slot;
    at = opening;
  }
  return at;
}

async function lock(tx: Queryable, buckets: readonly string[]): Promise<void> {
  // Always in the same order, so that two pages never wait for each other.
  await tx.query(
    `SELECT pg_advisory_xact_lock(hashtext('carillon rate limit'), stripe)
     FROM (SELECT DISTINCT abs(hashtext(bucket) % ${LOCK_STRIPES}) AS stripe FROM unnest($1::text[]) AS bucket ORDER BY stripe) AS x`,
    [buckets],
  );
}

async function ownReservations(
  tx: Queryable,
  uid: string,
  devices: readonly LimitedDevice[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await tx.query<{ device_id: string; at: number }>(
    'SELECT device_id, at FROM carillon_push_rate_hits WHERE uid = $1 AND device_id = ANY($2::text[])',
    [uid, devices.map(({ id }) => id)],
  );
  return new Map(rows.map(({ device_id, at }) => [device_id, at]));
}

async function loadHits(
  tx: Queryable,
  buckets: readonly string[],
  since: number,
  rate: RateLimit,
): Promise<Map<string, { times: number[]; notBefore: number }>> {
  const limit = Math.max(HITS_LOOKED_AT, 2 * Math.max(...rate.policies.map((policy) => policy.rate)));
  const rows = await tx.query<{ bucket: string; at: number[] }>(
    `SELECT bucket, array_agg(at::float8 ORDER BY at) AS at
     FROM unnest($1::text[]) AS bucket CROSS JOIN LATERAL (
       SELECT at FROM carillon_push_rate_hits h WHERE h.bucket = bucket.bucket AND at > $2 ORDER BY at DESC LIMIT $3
     ) AS latest GROUP BY bucket`,
    [buckets, since, limit],
  );
  return new Map(
    rows.map(({ bucket, at }) => [
      bucket,
      { times: at, notBefore: at.length < limit ? 0 : (at[0] as number) + longestOf(rate) },
    ]),
  );
}

function longestOf(rate: RateLimit): number {
  return Math.max(...rate.policies.map(({ intervalMs }) => intervalMs));
}
