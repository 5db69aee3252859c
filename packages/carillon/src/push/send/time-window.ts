import type { TimeWindow } from '../queue/stored-push.ts';

const DAYS_AHEAD = 3;

/**
 * The earliest instant from `now` on that lies in the window by the clock on the wall in that zone: `now` itself, or the
 * next opening. An opening that daylight saving leaves out is the first instant after the gap; a window that lies in the
 * gap as a whole opens there for its usual length.
 *
 * @param timezone IANA name
 * @param now Unix milliseconds, as is the result
 */
export function nextInWindow(window: TimeWindow, timezone: string, now: number): number {
  const local = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(timezone);
  if (isInside(window, local)) return now;
  const after = Temporal.PlainTime.from(window.after);
  for (let day = 0; day <= DAYS_AHEAD; day++) {
    const date = local.toPlainDate().add({ days: day });
    for (const opening of occurrences(date, after, timezone)) {
      if (opening.epochMilliseconds >= now && isInside(window, opening)) return opening.epochMilliseconds;
    }
  }
  throw new RangeError(`no opening of ${window.after} to ${window.before} in ${timezone}`);
}

function isInside(window: TimeWindow, local: Temporal.ZonedDateTime): boolean {
  const after = Temporal.PlainTime.from(window.after);
  const before = Temporal.PlainTime.from(window.before);
  const time = local.toPlainTime();
  const from = Temporal.PlainTime.compare(after, time) <= 0;
  const until = Temporal.PlainTime.compare(time, before) < 0;
  if (Temporal.PlainTime.compare(after, before) > 0 ? from || until : from && until) return true;
  const swallowed = swallowedWindow(after, before, local);
  if (!swallowed) return false;
  return swallowed.from <= local.epochMilliseconds && local.epochMilliseconds < swallowed.until;
}

/** Where a window opens that lies in a gap of that day as a whole. */
function swallowedWindow(
  after: Temporal.PlainTime,
  before: Temporal.PlainTime,
  local: Temporal.ZonedDateTime,
): { from: number; until: number } | undefined {
  if (Temporal.PlainTime.compare(after, before) > 0) return undefined;
  const date = local.toPlainDate();
  const start = gapEnd(date, after, local.timeZoneId);
  const end = gapEnd(date, before, local.timeZoneId);
  if (!start || !end || !start.equals(end)) return undefined;
  const from = start.epochMilliseconds;
  return { from, until: from + after.until(before).total('milliseconds') };
}

/** The instants at which the clock shows that time on that day: two when an hour is repeated; the end of a gap. */
function occurrences(
  date: Temporal.PlainDate,
  time: Temporal.PlainTime,
  timezone: string,
): Temporal.ZonedDateTime[] {
  const afterGap = gapEnd(date, time, timezone);
  if (afterGap) return [afterGap];
  const wall = date.toPlainDateTime(time);
  const earlier = wall.toZonedDateTime(timezone, { disambiguation: 'earlier' });
  const later = wall.toZonedDateTime(timezone, { disambiguation: 'later' });
  return earlier.equals(later) ? [earlier] : [earlier, later];
}

/** The first instant after the gap that leaves out this time; undefined when there is none. */
function gapEnd(
  date: Temporal.PlainDate,
  time: Temporal.PlainTime,
  timezone: string,
): Temporal.ZonedDateTime | undefined {
  const wall = date.toPlainDateTime(time);
  const earlier = wall.toZonedDateTime(timezone, { disambiguation: 'earlier' });
  if (earlier.toPlainDateTime().equals(wall)) return undefined;
  return earlier.getTimeZoneTransition('next') ?? undefined;
}
