import type { ProviderLane } from '../providers/lanes.ts';
import type { Outcome, ProviderMessage, Target, Targets } from '../providers/provider.ts';

/** Main thread → sender thread. */
export type SenderRequest =
  | {
      readonly type: 'send';
      readonly id: number;
      readonly lane: ProviderLane;
      readonly targets: PackedTargets;
      readonly message: ProviderMessage;
    }
  | { readonly type: 'close' };

/** Sender thread → main thread: what became known since the last one. */
export interface SenderReport {
  readonly accepted: PackedAcceptances;
  /** Pairs of a batch's id and one of its outcomes, for all that is not packed. */
  readonly others: readonly (readonly [id: number, outcome: Outcome])[];
  /** Batches whose targets are all reported. */
  readonly finished: readonly number[];
}

/**
 * Targets by columns: a message between threads is copied, and lists of strings are copied in a quarter of the time that
 * as many objects take. Tokens are one text: as texts of their own they would be most of what waits in a sender thread.
 */
export interface PackedTargets {
  /** One after the other. */
  readonly tokens: string;
  /** Where each of them ends. */
  readonly ends: Uint32Array;
  /** Empty where no target has any; else as long as `ends`. */
  readonly kinds: Target['kind'][];
  /** Likewise; `vapid` is empty where no key is known. */
  readonly p256dh: (string | undefined)[];
  readonly auth: (string | undefined)[];
  readonly vapid: (string | undefined)[];
}

export function packTargets(given: Targets): PackedTargets {
  const targets = [...given];
  const column = <T>(read: (target: Target) => T): T[] =>
    targets.some((target) => read(target) !== undefined) ? targets.map(read) : [];
  let end = 0;
  return {
    tokens: targets.map(({ token }) => token).join(''),
    ends: Uint32Array.from(targets, ({ token }) => {
      end += token.length;
      return end;
    }),
    kinds: column(({ kind }) => kind),
    p256dh: column(({ keys }) => keys?.p256dh),
    auth: column(({ keys }) => keys?.auth),
    vapid: column(({ keys }) => keys?.vapid),
  };
}

export function unpackTargets(packed: PackedTargets): Targets {
  return {
    length: packed.ends.length,
    *[Symbol.iterator]() {
      let start = 0;
      for (const [at, end] of packed.ends.entries()) {
        yield targetAt(packed, at, packed.tokens.slice(start, end));
        start = end;
      }
    },
  };
}

function targetAt({ kinds, p256dh, auth, vapid }: PackedTargets, at: number, token: string): Target {
  const target: { -readonly [Key in keyof Target]: Target[Key] } = { token };
  const [kind, point, secret, key] = [kinds[at], p256dh[at], auth[at], vapid[at]];
  if (kind !== undefined) target.kind = kind;
  if (point !== undefined && secret !== undefined) {
    target.keys = {
      p256dh: point,
      auth: secret,
      ...(key === undefined ? {} : { vapid: key }),
    };
  }
  return target;
}

/** Acceptances by columns, all equally long: nearly all that senders report. */
export interface PackedAcceptances {
  readonly batches: number[];
  readonly indexes: number[];
  readonly statuses: (number | undefined)[];
  readonly ids: (string | undefined)[];
}

export function noAcceptances(): PackedAcceptances {
  return { batches: [], indexes: [], statuses: [], ids: [] };
}

/** @returns false when it is none of those that can be packed */
export function packAcceptance(packed: PackedAcceptances, batch: number, outcome: Outcome): boolean {
  const { index, kind, code, httpStatus, id, reason, retryAfterMs, isHeld, goneSince } = outcome;
  const hasMore = reason ?? retryAfterMs ?? isHeld ?? goneSince;
  if (kind !== 'accepted' || code !== 'accepted' || hasMore !== undefined) return false;
  packed.batches.push(batch);
  packed.indexes.push(index);
  packed.statuses.push(httpStatus);
  packed.ids.push(id);
  return true;
}

export function unpackAcceptances(
  { batches, indexes, statuses, ids }: PackedAcceptances,
  take: (batch: number, outcome: Outcome) => void,
): void {
  for (const [at, batch] of batches.entries()) {
    const [httpStatus, id] = [statuses[at], ids[at]];
    const outcome: { -readonly [Key in keyof Outcome]: Outcome[Key] } = {
      index: indexes[at] as number,
      kind: 'accepted',
      code: 'accepted',
    };
    if (httpStatus !== undefined) outcome.httpStatus = httpStatus;
    if (id !== undefined) outcome.id = id;
    take(batch, outcome);
  }
}
