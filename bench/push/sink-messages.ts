/** What the sink and the benchmark tell each other. */

/** An endpoint's path begins so; the audience's set and the device's index follow, 7 digits each. */
export const ENDPOINT_PATH = '/wpush/v2/';
export const SET_DIGITS = 7;

/** To the sink. */
export type SinkRequest =
  | { readonly type: 'listen'; readonly key: string; readonly cert: string }
  /** Forget what arrived; from now on `count` devices of this set are waited for. */
  | { readonly type: 'expect'; readonly set: number; readonly count: number }
  | { readonly type: 'arrived' }
  /** @see SinkFigures; `since` as `monotonicMs` tells the time. */
  | { readonly type: 'collect'; readonly since: number };

/** From the sink. */
export type SinkReply =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'expecting' }
  | { readonly type: 'arrived'; readonly count: number }
  /** Each device has got a push. */
  | { readonly type: 'complete' }
  | SinkFigures;

export interface SinkFigures {
  readonly type: 'figures';
  /** Pushes beyond the first of a device. */
  readonly doubled: number;
  /** From `since` to the median, the 99th percentile and the last arrival. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lastMs: number;
}

/** One clock for all processes of the machine, in milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
