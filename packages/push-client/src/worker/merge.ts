import type { NotificationContent } from './payload.ts';

/** What the notification on the screen stands for; kept in its `data`, which outlives the worker. */
export interface Merged {
  /** How many pushes. */
  readonly count: number;
  /** The bodies of the last of them, oldest first. */
  readonly lines: readonly string[];
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
  /** The first line for more than one. */
  readonly summarize?: (count: number) => string;
}

const LINES = 3;
const IDS = 20;

/** One notification per tag: "n new messages", then the last three. */
export function mergeByTag({
  identify = () => undefined,
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
            lines: [...(previous?.lines ?? []), next.body ?? ''].slice(-LINES),
            ids: [...(previous?.ids ?? []), ...(id === undefined ? [] : [id])].slice(-IDS),
          };
    if (merged.count === 1) return { merged };
    return { merged, body: [summarize(merged.count), ...merged.lines.filter(Boolean)].join('\n') };
  };
}

/** Reads what `mergeByTag` left in a notification; undefined for any other. */
export function mergedFrom(data: unknown): Merged | undefined {
  const merged = (data as { merged?: Merged } | null)?.merged;
  return merged && Number.isInteger(merged.count) && Array.isArray(merged.lines) && Array.isArray(merged.ids)
    ? merged
    : undefined;
}
