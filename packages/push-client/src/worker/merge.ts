import type { NotificationContent } from './payload.ts';

/** What the notification on the screen stands for; kept in its `data`, which outlives the worker. */
export interface Merged {
  /** How many pushes. */
  readonly count: number;
  /** The bodies of the last of them, oldest first. */
  readonly lines: readonly string[];
  /** Where each of the lines belongs among the others, as `position` says; 0 where it does not. */
  readonly positions: readonly number[];
  /** Names of the last of them, to know a push that comes twice. */
  readonly ids: readonly string[];
}

/** Puts a push and what is on the screen for its tag into one. `body` undefined keeps the push's own. */
export type Merge = (
  previous: Merged | undefined,
  next: NotificationContent,
) => { body?: string; merged: Merged };

export interface MergeOptions {
  /** Names a push, so that one that is delivered twice counts once. */
  readonly identify?: (content: NotificationContent) => string | undefined;
  /** Where a push belongs among others of its tag: smaller ones come first. As they come, when absent: pushes may overtake each other. */
  readonly position?: (content: NotificationContent) => number | undefined;
  /** The first line for more than one. */
  readonly summarize?: (count: number) => string;
}

const LINES = 3;
const IDS = 20;

/** One notification per tag: "n new messages", then the last three. */
export function mergeByTag({
  identify = () => undefined,
  position = () => undefined,
  summarize = (count) => `${count} new messages`,
}: MergeOptions = {}): Merge {
  return (previous, next) => {
    const id = identify(next);
    const isRepeat = id !== undefined && (previous?.ids.includes(id) ?? false);
    const merged: Merged =
      previous && isRepeat
        ? previous
        : {
            count: (previous?.count ?? 0) + 1,
            ...insert(previous, next.body ?? '', position(next) ?? 0),
            ids: [...(previous?.ids ?? []), ...(id === undefined ? [] : [id])].slice(-IDS),
          };
    if (merged.count === 1) return { merged };
    return { merged, body: [summarize(merged.count), ...merged.lines.filter(Boolean)].join('\n') };
  };
}

/** The last lines with one more, behind those that do not come after it. */
function insert(
  previous: Merged | undefined,
  line: string,
  position: number,
): Pick<Merged, 'lines' | 'positions'> {
  const { lines = [], positions = [] } = previous ?? {};
  const at = positions.findLastIndex((other) => other <= position) + 1;
  return {
    lines: lines.toSpliced(at, 0, line).slice(-LINES),
    positions: positions.toSpliced(at, 0, position).slice(-LINES),
  };
}

/** Reads what `mergeByTag` left in a notification; undefined for any other. */
export function mergedFrom(data: unknown): Merged | undefined {
  const merged = (data as { merged?: Merged } | null)?.merged;
  if (!merged || !Number.isInteger(merged.count)) return undefined;
  const { lines, positions, ids } = merged;
  const isWhole = Array.isArray(lines) && Array.isArray(positions) && Array.isArray(ids);
  return isWhole && lines.length === positions.length ? merged : undefined;
}
